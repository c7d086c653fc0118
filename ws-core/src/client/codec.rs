//! Translates what is sent into the codec's messages. `socket::Incoming` translates what arrives.
//!
//! The server does not send through the codec: it writes frames into a queue by itself. A client's
//! frames are masked (RFC 6455 section 5.3), and the codec does that.

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
