//! [`Rescue`]: decides whether a connection stays open after a callback failed.
//!
//! The error handlers are asked while the connection is driven. The rules are those of
//! [`Verdict`]. A panic, a timeout or a cut always ends the connection.

use std::{pin::pin, time::Duration};

use super::driver::{Completion, Driver, Failure};
use crate::{
    caught::drop_caught,
    connection::Connection,
    envelope::EventError,
    error::Error,
    recovery::{Answer, ErrorHandlers, Phase, Scene, Verdict},
    socket::ByteStream,
    telemetry::Outcome,
    wire::CloseReason,
};

pub(super) struct Rescue<'a> {
    pub(super) conn: &'a Connection,
    pub(super) deadline: Option<Duration>,
}

impl Rescue<'_> {
    /// Handles the outcome of a callback. Returns false if the connection ends; it is then closing,
    /// unless it had ended before.
    pub(super) async fn settle<S: ByteStream>(
        &self,
        driver: &mut Driver<S>,
        phase: Phase,
        outcome: Completion,
    ) -> bool {
        let Some(failure) = outcome.into_failure() else { return true };
        match self.verdict(driver, phase, failure).await {
            Verdict::Nothing => true,
            Verdict::Reply(message) => {
                // A closed connection needs no reply, and a full outbox closes it.
                let _ = self.conn.push(message);
                true
            }
            Verdict::Close { frame, reason } => {
                driver.close(frame, reason);
                false
            }
        }
    }

    async fn verdict<S: ByteStream>(
        &self,
        driver: &mut Driver<S>,
        phase: Phase,
        failure: Failure,
    ) -> Verdict {
        match failure {
            Failure::Panic => {
                self.conn.end_event(Outcome::Panic);
                tracing::error!(?phase, "a callback panicked");
                Verdict::internal(CloseReason::Panic)
            }
            Failure::TimedOut => {
                self.conn.end_event(Outcome::Timeout);
                tracing::error!(?phase, "a callback took longer than its deadline");
                Verdict::internal(CloseReason::HandlerTimeout)
            }
            Failure::Cut => {
                self.conn.end_event(Outcome::Timeout);
                tracing::warn!(?phase, "a callback was cut");
                Verdict::internal(CloseReason::Aborted)
            }
            Failure::Error(mut error) => {
                let verdict = self.verdict_on(driver, phase, &mut error).await;
                drop_caught("an error", error);
                verdict
            }
        }
    }

    async fn verdict_on<S: ByteStream>(
        &self,
        driver: &mut Driver<S>,
        phase: Phase,
        error: &mut Error,
    ) -> Verdict {
        if self.conn.is_ended_by(error) {
            // The callback failed because its connection had ended, which is not a fault.
            tracing::debug!(?phase, %error, "a callback ended with its connection");
            self.conn.end_event(Outcome::Ok);
            return Verdict::Nothing;
        }
        let scene = Scene::on(self.conn, phase);
        let mut answer = Answer::Pass;
        let has_failed = {
            let asking = pin!(Some(async {
                answer = ErrorHandlers::answer_on(self.conn, error, &scene).await;
                Ok(())
            }));
            driver.run(asking, self.deadline).await.into_failure().is_some()
        };
        // The error handlers have added the code of the error's type.
        self.count_error(error, answer.event_code().unwrap_or(error.event_code()));
        Verdict::on(error, self.conn, phase, (!has_failed).then_some(answer))
    }
    /// Counts the error of an event, or of a message that is not an event.
    fn count_error(&self, error: &Error, code: &str) {
        if let Some(event) = self.conn.end_event(Outcome::Error) {
            event.count_code(code);
        } else if error.downcast_ref::<EventError>().is_some() {
            let unknown = self.conn.counters().events.unknown();
            unknown.count(Outcome::Error);
            unknown.count_code(code);
        }
    }
}
