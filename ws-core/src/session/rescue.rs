//! [`Rescue`]: decides whether a connection stays open after a callback failed.
//!
//! The error handlers decide first. If none of them handles the error, the default applies: an
//! error reply to a call, else a close frame. A panic, a timeout or a cut always ends the
//! connection. Internal detail must go to the log only, never to the client.

use std::time::Duration;

use super::driver::{Completion, Driver, Failure};
use crate::{
    caught::drop_caught,
    connection::{AskError, Connection},
    envelope::ReplyTo,
    error::Error,
    recovery::{Answer, ErrorHandlers, Phase, Scene},
    socket::ByteStream,
    wire::{CloseFrame, CloseReason, ConnectionId, SendError, may_be_sent},
};

/// A close frame to send, and the reason that is passed to `on_close`.
type End = (CloseFrame, CloseReason);

pub(super) struct Rescue<'a> {
    pub(super) conn: &'a Connection,
    pub(super) error_handlers: &'a ErrorHandlers,
    pub(super) deadline: Option<Duration>,
}

impl Rescue<'_> {
    /// Handles the outcome of a callback. Returns false if the connection ends; it is then closing,
    /// unless it had ended before.
    pub(super) async fn settle<S: ByteStream>(
        &self,
        driver: &mut Driver<'_, S>,
        phase: Phase,
        outcome: Completion,
    ) -> bool {
        let Some(failure) = outcome.into_failure() else { return true };
        // Boxed, because few callbacks fail.
        match Box::pin(self.end_of(driver, phase, failure)).await {
            Some((frame, reason)) => {
                driver.close(frame, reason);
                false
            }
            None => true,
        }
    }

    /// Returns how the connection ends; `None` if it stays open or has ended already.
    async fn end_of<S: ByteStream>(
        &self,
        driver: &mut Driver<'_, S>,
        phase: Phase,
        failure: Failure,
    ) -> Option<End> {
        match failure {
            Failure::Panic => {
                tracing::error!(?phase, "a callback panicked");
                Some(internal(CloseReason::Panic))
            }
            Failure::TimedOut => {
                tracing::error!(?phase, "a callback took longer than its deadline");
                Some(internal(CloseReason::HandlerTimeout))
            }
            Failure::Cut => {
                tracing::warn!(?phase, "a callback was cut");
                Some(internal(CloseReason::Aborted))
            }
            Failure::Error(mut error) => {
                let end = self.settle_error(driver, phase, &mut error).await;
                drop_caught("an error", error);
                end
            }
        }
    }

    async fn settle_error<S: ByteStream>(
        &self,
        driver: &mut Driver<'_, S>,
        phase: Phase,
        error: &mut Error,
    ) -> Option<End> {
        if self.is_closed_error(error) {
            // The callback failed because its connection had ended, which is not a fault.
            tracing::debug!(?phase, %error, "a callback ended with its connection");
            return None;
        }
        let scene = self.scene(phase);
        let mut answer = Answer::Pass;
        let asked = driver
            .run_boxed(
                async {
                    answer = self.error_handlers.answer(error, &scene).await;
                    Ok(())
                },
                self.deadline,
            )
            .await;
        if asked.into_failure().is_some() {
            tracing::error!(?phase, %error, "an error handler panicked or was cut");
            return (phase != Phase::Close).then(|| internal(CloseReason::Panic));
        }
        match (answer, phase) {
            (Answer::Pass, _) => {}
            (_, Phase::Close) => return None,
            (Answer::Reply(Ok(text)), _) => {
                // A closed connection needs no reply, and a full outbox closes it.
                let _ = self.conn.push(text);
                return None;
            }
            (Answer::Event { code, message }, _) => {
                let plain = ReplyTo::new(self.conn.format(), None);
                let told = Error::new(message.clone()).code(code).public(message);
                return self.answer(&told, error.any_reply_to().unwrap_or(&plain));
            }
            (Answer::Disconnect { code, reason }, _) => {
                let frame = CloseFrame::new(if may_be_sent(code) { code } else { 1011 }, &reason);
                let reason = CloseReason::Local { code: frame.code, reason: frame.reason.clone() };
                return Some((frame, reason));
            }
            (answer, _) => {
                tracing::error!(?phase, ?answer, "an error handler's answer does not fit its phase")
            }
        }
        if let Some(call) = error.reply_to().filter(|_| phase == Phase::Message) {
            log_answered(error);
            return self.answer(error, call);
        }
        if connection_of(error).is_some_and(|connection| connection != self.conn.id()) {
            tracing::warn!(?phase, %error, "a callback failed because of another connection; its own stays open");
            return None;
        }
        tracing::error!(?phase, %error, "a callback failed");
        let frame =
            CloseFrame::new(error.ws_close_code(), error.public_text().as_deref().unwrap_or_default());
        (phase != Phase::Close).then(|| (frame.clone(), CloseReason::Error { code: frame.code }))
    }

    /// Whether this error means that the callback's own connection is closed. A full outbox closes
    /// the connection as well, unless the overflow policy drops messages instead.
    fn is_closed_error(&self, error: &Error) -> bool {
        let is_full = matches!(error.downcast_ref(), Some(SendError::Full { .. }))
            || matches!(error.downcast_ref(), Some(AskError::Send(SendError::Full { .. })));
        connection_of(error) == Some(self.conn.id()) && !(is_full && self.conn.is_open())
    }

    /// Sends the error as an event; the connection stays open.
    fn answer(&self, error: &Error, call: &ReplyTo) -> Option<End> {
        match error.as_event(call) {
            // A closed connection needs no reply, and a full outbox closes it.
            Ok(message) => drop(self.conn.push(message)),
            Err(error) => tracing::error!(%error, "an error event was not sent"),
        }
        None
    }

    fn scene(&self, phase: Phase) -> Scene {
        let handshake = self.conn.handshake();
        Scene {
            phase,
            server: handshake.server().into(),
            route: handshake.route().map(Into::into),
            path: handshake.path().into(),
            peer_addr: handshake.peer_addr(),
            connection: Some(self.conn.clone()),
        }
    }
}

/// Returns the connection that ended or whose outbox was full, if the error is about one.
fn connection_of(error: &Error) -> Option<ConnectionId> {
    let of_send = error.downcast_ref().and_then(SendError::connection);
    of_send.or_else(|| error.downcast_ref().and_then(AskError::connection))
}

/// Logs an error that was sent to the client: an error with a public text at debug level, since the
/// client can act on it, any other error at error level.
fn log_answered(error: &Error) {
    if error.public_text().is_some() {
        tracing::debug!(%error, code = error.event_code(), "an event was answered with an error");
    } else {
        tracing::error!(%error, code = error.event_code(), "an event was answered with an error");
    }
}

/// Returns a close frame with 1011 and without detail.
fn internal(reason: CloseReason) -> End {
    (CloseFrame::new(1011, "internal error"), reason)
}
