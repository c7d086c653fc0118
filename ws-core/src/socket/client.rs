//! The client's side of a [`Socket`]: it masks the frames that it sends (RFC 6455 section 5.3).

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    SizeLimits, Socket,
    header::{CLOSE, PING},
    mask::Role,
    out_queue::{close_payload, data_payload},
};
use crate::wire::{CloseFrame, Message};

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over the client's side of a transport after the 101. `prefix` holds the bytes that
    /// were read after it.
    pub(crate) fn of_client(io: S, prefix: &[u8], limits: SizeLimits) -> Self {
        Self::with_role(Role::Client, io, prefix, limits)
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, message: Message) {
        let (opcode, payload) = data_payload(message);
        self.send_frame(opcode, payload);
    }

    /// Queues a ping. The payload must have at most 125 bytes.
    pub(crate) fn send_ping(&mut self, payload: Bytes) {
        self.send_frame(PING, payload);
    }

    /// Queues a close frame, unless one was queued before. It has no code if `frame` is `None`.
    /// After it, pings are not answered.
    pub(crate) fn send_close(&mut self, frame: Option<&CloseFrame>) {
        if !std::mem::replace(&mut self.has_sent_close, true) {
            self.send_frame(CLOSE, close_payload(frame));
        }
    }

    fn send_frame(&mut self, opcode: u8, payload: Bytes) {
        match &mut self.deflate {
            None => self.out.frame(opcode, payload, self.frames.role().new_mask()),
            // It is masked when it is moved to the queue that is written.
            Some(deflate) => deflate.plain().frame(opcode, payload, None),
        }
    }

    /// Returns the transport. Bytes that were read or queued are lost.
    pub(crate) fn into_io(self) -> S {
        self.io
    }
}
