//! Translates the codec's messages and errors for the server's socket and the client.
//!
//! This module must not read or write, and must not decide to close.

use std::io;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    Error as WsError, Message as Ws,
    error::{CapacityError, ProtocolError},
};

use super::FrameWalker;
use crate::wire::{Message, MessageError, Text, may_be_sent};

/// An event that arrives on an open connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// The peer's close frame. The answer must have the same code.
    Close(Option<(u16, Text)>),
}

impl Incoming {
    /// Translates a message of the codec. Returns `None` for a raw frame, which the codec never
    /// returns.
    ///
    /// `walker` must have walked over all bytes that the codec was given.
    #[inline] // once a message
    pub(crate) fn from_codec(message: Ws, walker: &FrameWalker) -> Option<Result<Self, Ended>> {
        Some(Ok(match message {
            Ws::Text(text) => Self::Message(Message::Text(Text::from_utf8_bytes(text))),
            Ws::Binary(bytes) => Self::Message(Message::Binary(bytes)),
            Ws::Ping(payload) => Self::Ping(payload),
            Ws::Pong(payload) => Self::Pong(payload),
            Ws::Close(None) => Self::Close(None),
            // The codec has its own list of valid codes and replaces any other code. So the code is
            // taken from the walker.
            Ws::Close(Some(_)) => match walker.received_close() {
                Some(close) if may_be_sent(close.0) => Self::Close(Some(close)),
                _ => return Some(Err(Ended::Fault(MessageError::bad_close_code()))),
            },
            Ws::Frame(_) => return None,
        }))
    }
}

/// The reason why nothing more will arrive.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer broke the protocol or a limit. It should get a close frame with the matching code.
    Fault(MessageError),
    /// The transport has ended or failed.
    Gone(io::ErrorKind),
}

impl From<WsError> for Ended {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Io(error) => Self::Gone(error.kind()),
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | WsError::ConnectionClosed
            | WsError::AlreadyClosed => Self::Gone(io::ErrorKind::UnexpectedEof),
            WsError::Utf8(_) => Self::Fault(MessageError::Utf8),
            WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::Fault(MessageError::TooBig { size, limit: max_size })
            }
            error => Self::Fault(MessageError::Protocol(error.to_string())),
        }
    }
}
