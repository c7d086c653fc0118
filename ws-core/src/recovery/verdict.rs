//! [`Verdict`]: the consequence of a failure of user code for its open connection.
//!
//! The session and a deferred reply both call the error handlers, each with its own deadline, and
//! apply the verdict. The rules are here, so that both follow the same ones. This module never
//! sends anything itself. Internal detail must go to the log only, never to the client.

use super::{Answer, ErrorHandlers, Phase, Scene};
use crate::{
    connection::Connection,
    envelope::ReplyTo,
    error::Error,
    wire::{CloseFrame, CloseReason, Message, may_be_sent},
};

/// The consequence of a failure for the connection.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The connection stays open, or it has ended already. Nothing is sent.
    Nothing,
    /// This message is sent, and the connection stays open.
    Reply(Message),
    /// The connection is closed.
    Close { frame: CloseFrame, reason: CloseReason },
}

impl Verdict {
    /// Closes with 1011 and without detail.
    pub(crate) fn internal(reason: CloseReason) -> Self {
        Self::Close { frame: CloseFrame::internal(), reason }
    }

    /// Returns the verdict on an error. `answer` is the decision of the error handlers; `None` if
    /// one of them panicked or took too long.
    pub(crate) fn on(error: &Error, conn: &Connection, phase: Phase, answer: Option<Answer>) -> Self {
        let Some(answer) = answer else {
            tracing::error!(?phase, %error, "an error handler panicked or took too long");
            return Self::internal(CloseReason::Panic).unless_closing(phase);
        };
        match (answer, phase) {
            (Answer::Pass, _) => {}
            (_, Phase::Close) => return Self::Nothing,
            (Answer::Reply(Ok(text)), _) => return Self::Reply(text.into()),
            (Answer::Event { code, message }, _) => {
                let plain = ReplyTo::new(conn.format(), None);
                let shown = Error::new(message.clone()).code(code).public(message);
                return Self::answer(&shown, error.any_reply_to().unwrap_or(&plain));
            }
            (Answer::Disconnect { code, reason }, _) => {
                let frame = CloseFrame::new(if may_be_sent(code) { code } else { 1011 }, &reason);
                let reason = CloseReason::Local { code: frame.code, reason: frame.reason.clone() };
                return Self::Close { frame, reason };
            }
            (answer, _) => {
                tracing::error!(?phase, ?answer, "the decision of an error handler is not valid in its phase")
            }
        }
        Self::by_default(error, conn, phase)
    }

    /// Returns the verdict on an error that no error handler has handled: an error reply to a call,
    /// otherwise a close frame.
    fn by_default(error: &Error, conn: &Connection, phase: Phase) -> Self {
        if let Some(call) = error.reply_to().filter(|_| phase == Phase::Message) {
            log_answered(error);
            return Self::answer(error, call);
        }
        if conn.is_other_in(error) {
            tracing::warn!(?phase, %error, "a callback failed because of another connection; its own connection stays open");
            return Self::Nothing;
        }
        log_failed(error, phase);
        let frame =
            CloseFrame::new(error.ws_close_code(), error.public_text().as_deref().unwrap_or_default());
        let reason = CloseReason::Error { code: frame.code };
        Self::Close { frame, reason }.unless_closing(phase)
    }

    /// Replies with the error event.
    fn answer(error: &Error, call: &ReplyTo) -> Self {
        match error.as_event(call) {
            Ok(message) => Self::Reply(message),
            Err(error) => {
                tracing::error!(%error, "an error event was not sent");
                Self::Nothing
            }
        }
    }

    /// Replaces the verdict by `Nothing` after `on_close`, because the connection is closed
    /// already.
    fn unless_closing(self, phase: Phase) -> Self {
        if phase == Phase::Close { Self::Nothing } else { self }
    }
}

impl Scene {
    /// Makes the scene of an error on an open connection.
    pub(crate) fn on(conn: &Connection, phase: Phase) -> Self {
        let handshake = conn.handshake();
        Self {
            phase,
            server: handshake.server().into(),
            route: handshake.route().map(Into::into),
            path: handshake.path().into(),
            peer_addr: handshake.peer_addr(),
            connection: Some(conn.clone()),
        }
    }
}

impl ErrorHandlers {
    fn of(conn: &Connection) -> Option<&Self> {
        conn.handshake().matched()?.error_handlers().downcast_ref()
    }

    /// Adds the public part of the error's type, without calling the error handlers.
    pub(crate) fn complete_on(conn: &Connection, error: &mut Error) {
        if let Some(handlers) = Self::of(conn) {
            handlers.complete(error);
        }
    }

    /// Calls the error handlers of a connection's server.
    pub(crate) async fn answer_on(conn: &Connection, error: &mut Error, scene: &Scene) -> Answer {
        match Self::of(conn) {
            Some(handlers) => handlers.answer(error, scene).await,
            None => Answer::Pass,
        }
    }
}

/// Logs an error that closes the connection. An error with a public text is logged at debug level,
/// because the program has declared it, any other error at error level.
fn log_failed(error: &Error, phase: Phase) {
    if error.public_text().is_some() {
        tracing::debug!(?phase, %error, "a callback failed");
    } else {
        tracing::error!(?phase, %error, "a callback failed");
    }
}

/// Logs an error that is sent to the client. An error with a public text is logged at debug level,
/// because the client can act on it, any other error at error level.
fn log_answered(error: &Error) {
    if error.public_text().is_some() {
        tracing::debug!(%error, code = error.event_code(), "an event was answered with an error");
    } else {
        tracing::error!(%error, code = error.event_code(), "an event was answered with an error");
    }
}
