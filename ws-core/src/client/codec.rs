//! Between the codec's words and this crate's.

use std::io;

use tokio_tungstenite::tungstenite::{
    Error as WsError, Message as Ws,
    error::{CapacityError, ProtocolError},
    protocol::{
        CloseFrame as WsClose,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use crate::wire::{CloseFrame, CloseReason, Message, MessageError, Text, may_be_sent};

/// One frame with the whole message, its payload shared.
pub(super) fn data_message(message: Message) -> Ws {
    let kind = if matches!(message, Message::Text(_)) { Data::Text } else { Data::Binary };
    Ws::Frame(Frame::message(message.into_bytes(), OpCode::Data(kind), true))
}

pub(super) fn close_message(frame: CloseFrame) -> Ws {
    Ws::Close(Some(WsClose { code: frame.code.into(), reason: frame.reason.as_str().into() }))
}

/// Returns the reason of an end by the server's close frame. `received` is the frame as it came,
/// since the codec may have changed its code.
pub(super) fn closed_by(received: Option<(u16, Text)>) -> CloseReason {
    match received {
        Some((code, _)) if !may_be_sent(code) => CloseReason::Fault(MessageError::bad_close_code()),
        Some((code, reason)) => CloseReason::Peer { code: Some(code), reason },
        None => CloseReason::Peer { code: None, reason: Text::default() },
    }
}

pub(super) fn reason_of(error: WsError) -> CloseReason {
    match error {
        WsError::Io(error) => CloseReason::Gone(error.kind()),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | WsError::ConnectionClosed
        | WsError::AlreadyClosed => CloseReason::Gone(io::ErrorKind::UnexpectedEof),
        WsError::Utf8(_) => CloseReason::Fault(MessageError::Utf8),
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            CloseReason::Fault(MessageError::TooBig { size, limit: max_size })
        }
        error => CloseReason::Fault(MessageError::Protocol(error.to_string())),
    }
}
