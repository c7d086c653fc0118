//! [`Open`]: the state of an incomplete message or frame.
//!
//! Headers are checked byte by byte here. The meaning of a complete frame is decided by
//! [`Frames`](super::frames::Frames), never here.

use std::{
    io,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncRead;

use super::{
    SizeLimits,
    header::{self, Announced, CLOSE, CONTINUATION, FIN, Header, LONGEST_HEADER, RESERVED, RSV1},
    input::Input,
    mask::{Mask, Role},
    payload::{Payload, Rest, poll_append},
};
use crate::{fixed, telemetry::MessageKind, wire::MessageError};

/// The rules for received frames.
pub(super) struct Rules<'a> {
    pub(super) role: Role,
    pub(super) limits: &'a SizeLimits,
    /// Whether permessage-deflate was negotiated.
    pub(super) has_compression: bool,
}

/// An incomplete message, header or control frame.
#[derive(Default)]
pub(super) struct Open {
    /// The bytes of an incomplete header.
    header: [u8; LONGEST_HEADER],
    header_len: usize,
    /// The first byte of the current frame.
    pub(super) first: u8,
    /// `None` if the frame is not masked.
    mask: Option<Mask>,
    /// The number of bytes of the frame that are not read; 0 between two frames.
    pub(super) remaining: usize,
    /// The received part of a control frame's payload.
    pub(super) control: Vec<u8>,
    /// The message, from its first frame on. If it is compressed, its payload is binary.
    pub(super) message: Option<Payload>,
    /// The kind of the message if it is compressed.
    pub(super) compressed: Option<MessageKind>,
    /// The number of its frames.
    fragments: usize,
}

impl Open {
    /// Returns the bytes of an incomplete header.
    pub(super) fn partial_header(&self) -> &[u8] {
        self.header.get(..self.header_len).unwrap_or_default()
    }

    /// Reads the part of a header that has arrived. Returns whether the header is complete. After a
    /// fault its bytes are still unread.
    pub(super) fn read_header(&mut self, input: &mut Input, rules: &Rules<'_>) -> Result<bool, MessageError> {
        let (mut bytes, had) = (self.header, self.header_len);
        let room = bytes.get_mut(had..).unwrap_or_default();
        let unread = input.unread();
        let more = unread.len().min(room.len());
        if let (Some(into), Some(from)) = (room.get_mut(..more), unread.get(..more)) {
            into.copy_from_slice(from);
        }
        let seen = bytes.get(..had + more).unwrap_or_default();
        self.check(seen, rules)?;
        let Some(header) = Header::read(seen) else {
            (self.header, self.header_len) = (bytes, had + more);
            input.advance(more);
            return Ok(false);
        };
        input.advance(header.size - had);
        self.header_len = 0;
        self.begin(header);
        Ok(true)
    }

    /// Checks the received part of a header, each byte as soon as it has arrived.
    fn check(&self, seen: &[u8], rules: &Rules<'_>) -> Result<(), MessageError> {
        let Some(&first) = seen.first() else { return Ok(()) };
        self.check_first(first, rules)?;
        let Some(&second) = seen.get(1) else { return Ok(()) };
        check_second(first, second, rules.role)?;
        let Some(Announced { length, .. }) = Announced::read(seen) else { return Ok(()) };
        self.check_length(first, length, rules.limits)
    }

    fn check_first(&self, first: u8, rules: &Rules<'_>) -> Result<(), MessageError> {
        let limits = rules.limits;
        // With compression, RSV1 marks the first frame of a compressed message (RFC 7692 section
        // 6.1).
        let may_be_compressed =
            rules.has_compression && matches!(header::opcode(first), header::TEXT | header::BINARY);
        let allowed = if may_be_compressed { RSV1 } else { 0 };
        if first & RESERVED & !allowed != 0 {
            return protocol("a reserved bit is set");
        }
        let is_inside = self.message.is_some();
        match header::opcode(first) {
            CONTINUATION if !is_inside => protocol("a continuation frame without a first frame"),
            header::TEXT | header::BINARY if is_inside => protocol("a new message inside of another one"),
            CONTINUATION | header::TEXT | header::BINARY if self.fragments >= limits.fragments => {
                Err(MessageError::TooManyFragments { limit: limits.fragments })
            }
            CONTINUATION | header::TEXT | header::BINARY => Ok(()),
            CLOSE | header::PING | header::PONG if first & FIN == 0 => protocol("a fragmented control frame"),
            CLOSE | header::PING | header::PONG => Ok(()),
            _ => protocol("an unknown opcode"),
        }
    }

    fn check_length(&self, first: u8, length: u64, limits: &SizeLimits) -> Result<(), MessageError> {
        if length >> 63 != 0 {
            return protocol("the highest bit of a length is set");
        }
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > limits.frame {
            return Err(MessageError::TooBig { size, limit: limits.frame });
        }
        let before = match &self.message {
            Some(message) if !header::is_control(first) => message.len(),
            _ => 0,
        };
        let size = size.saturating_add(before);
        if size > limits.message {
            return Err(MessageError::TooBig { size, limit: limits.message });
        }
        Ok(())
    }

    /// Begins a frame whose header has passed all checks.
    fn begin(&mut self, header: Header) {
        self.first = header.first;
        self.mask = header.mask.map(Mask::new);
        // The length is at most the limit of a frame.
        self.remaining = header.length as usize;
        if header::is_control(header.first) {
            self.control = Vec::with_capacity(self.remaining);
            return;
        }
        self.fragments += 1;
        match header::opcode(header.first) {
            opcode @ (header::TEXT | header::BINARY) if header.first & RSV1 != 0 => {
                self.compressed = Some(header::kind(opcode));
                self.message = Some(Payload::binary());
            }
            header::TEXT => self.message = Some(Payload::text()),
            header::BINARY => self.message = Some(Payload::binary()),
            _ => {}
        }
    }

    /// Reads the part of the current payload that has arrived.
    pub(super) fn read_payload(&mut self, input: &mut Input) -> Result<(), MessageError> {
        let piece = input.take(self.remaining);
        self.remaining -= piece.len();
        if let Some(mask) = &mut self.mask {
            mask.apply(piece);
        }
        if header::is_control(self.first) {
            self.control.extend_from_slice(piece);
            return Ok(());
        }
        let rest = Rest { bytes: self.remaining, is_last: self.first & FIN != 0 };
        match &mut self.message {
            Some(message) => message.push(piece, rest),
            None => Ok(()),
        }
    }

    /// Whether the rest of the frame is read directly into its message: it is a binary payload that
    /// does not fit into an input. Text is validated in pieces first. The first bytes of a message
    /// come through the input, so that a header alone does not allocate room for them.
    pub(super) fn reads_straight(&self) -> bool {
        let Some(Payload::Binary(bytes)) = &self.message else { return false };
        self.remaining >= fixed::INPUT_BYTES && !bytes.is_empty()
    }

    /// Reads once from the transport into the message. Zero bytes mean the end of the stream.
    pub(super) fn poll_straight<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(Payload::Binary(bytes)) = &mut self.message else { return Poll::Ready(Ok(0)) };
        let before = bytes.len();
        let rest = Rest { bytes: self.remaining, is_last: self.first & FIN != 0 };
        let read = ready!(poll_append(bytes, rest, io, cx))?;
        self.remaining -= read;
        if let Some(mask) = &mut self.mask {
            mask.apply(bytes.get_mut(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(read))
    }
}

fn check_second(first: u8, second: u8, role: Role) -> Result<(), MessageError> {
    if (second & header::MASKED != 0) != role.receives_masks() {
        return protocol(role.mask_fault());
    }
    let length = second & !header::MASKED;
    if header::is_control(first) && usize::from(length) > fixed::CONTROL_PAYLOAD_BYTES {
        return protocol("a control frame of more than 125 bytes");
    }
    if header::opcode(first) == CLOSE && length == 1 {
        return protocol("a close frame of one byte");
    }
    Ok(())
}

fn protocol<T>(rule: &str) -> Result<T, MessageError> {
    Err(MessageError::Protocol(rule.to_owned()))
}
