//! Translates the codec's messages and errors.

use std::io;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    self, Error as WsError,
    error::{CapacityError, ProtocolError},
};

use super::FrameWalker;
use crate::wire::{Message, MessageError, Text, may_be_sent};

/// What arrives on an open connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// The peer's close frame; the code that was received is to be sent back.
    Close(Option<(u16, Text)>),
}

/// Why nothing more will arrive.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer broke the protocol or a limit; a close frame should say so.
    Fault(MessageError),
    /// The transport is gone.
    Gone(io::ErrorKind),
}

pub(super) fn incoming(
    message: tungstenite::Message,
    walker: &FrameWalker,
) -> Option<Result<Incoming, Ended>> {
    use tungstenite::Message as Ws;
    Some(Ok(match message {
        Ws::Text(text) => Incoming::Message(Message::Text(Text::from_utf8_bytes(text))),
        Ws::Binary(bytes) => Incoming::Message(Message::Binary(bytes)),
        Ws::Ping(payload) => Incoming::Ping(payload),
        Ws::Pong(payload) => Incoming::Pong(payload),
        Ws::Close(None) => Incoming::Close(None),
        // The codec has its own list of the codes that may be sent, and replaces any other code.
        // The received code counts.
        Ws::Close(Some(_)) => match walker.received_close() {
            Some(close) if may_be_sent(close.0) => Incoming::Close(Some(close)),
            _ => return Some(Err(Ended::Fault(MessageError::bad_close_code()))),
        },
        // Only written, never read.
        Ws::Frame(_) => return None,
    }))
}

pub(super) fn ended(error: WsError) -> Ended {
    match error {
        WsError::Io(error) => Ended::Gone(error.kind()),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | WsError::ConnectionClosed
        | WsError::AlreadyClosed => Ended::Gone(io::ErrorKind::UnexpectedEof),
        WsError::Utf8(_) => Ended::Fault(MessageError::Utf8),
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Ended::Fault(MessageError::TooBig { size, limit: max_size })
        }
        error => Ended::Fault(MessageError::Protocol(error.to_string())),
    }
}
