//! Translates sent messages into those of the codec. `socket::Incoming` translates received ones.
//!
//! The server's socket does not send through the codec: it writes its frames into a queue. The
//! frames of a client are masked (RFC 6455 section 5.3), which the codec does.

use tokio_tungstenite::tungstenite::{
    Message as Ws,
    protocol::{
        CloseFrame as WsClose,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use crate::wire::{CloseFrame, Message};

/// Returns one frame with the whole message; its payload is not copied.
pub(super) fn data_message(message: Message) -> Ws {
    let kind = if matches!(message, Message::Text(_)) { Data::Text } else { Data::Binary };
    Ws::Frame(Frame::message(message.into_bytes(), OpCode::Data(kind), true))
}

pub(super) fn close_message(frame: CloseFrame) -> Ws {
    Ws::Close(Some(WsClose { code: frame.code.into(), reason: frame.reason.as_str().into() }))
}
