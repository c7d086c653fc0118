//! [`Frames`]: parses received bytes to messages (RFC 6455 section 5).
//!
//! A complete message in one frame is read at once, without any state. A message of several frames,
//! or a frame that arrives in parts, has an [`Open`] from its beginning to its end. Each fault is
//! found with the byte that causes it, before memory for the rest is allocated.
//!
//! This module must not write. It must not read from the transport, except for the payload of a
//! large message.

use std::{
    borrow::Cow,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::{
    Deflate, Incoming, SizeLimits,
    drain::Skipper,
    header::{self, CLOSE, FIN, Header, RSV1},
    input::Input,
    mask::{Mask, Role},
    open::{Open, Rules},
    utf8,
};
use crate::wire::{Message, MessageError, may_be_sent};

/// The first byte of a complete message in one frame.
const WHOLE_TEXT: u8 = FIN | header::TEXT;
const WHOLE_BINARY: u8 = FIN | header::BINARY;
const WHOLE_COMPRESSED_TEXT: u8 = WHOLE_TEXT | RSV1;
const WHOLE_COMPRESSED_BINARY: u8 = WHOLE_BINARY | RSV1;

/// The position in the stream of received frames.
pub(super) struct Frames {
    role: Role,
    /// `None` between two messages.
    open: Option<Box<Open>>,
    /// Whether the peer's close frame was read.
    has_read_close: bool,
}

impl Frames {
    pub(super) fn new(role: Role) -> Self {
        Self { role, open: None, has_read_close: false }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Whether the peer's close frame was read, valid or not.
    pub(super) fn has_read_close(&self) -> bool {
        self.has_read_close
    }

    #[cfg(test)]
    pub(super) fn is_between_messages(&self) -> bool {
        self.open.is_none()
    }

    /// Reads one frame, or the part of it that has arrived. Returns a complete message, or a
    /// control frame. A compressed message may be complete and still need further slices of
    /// [`Deflate`].
    #[inline]
    pub(super) fn next(
        &mut self,
        input: &mut Input,
        limits: &SizeLimits,
        deflate: Option<&mut Deflate>,
    ) -> Result<Option<Incoming>, MessageError> {
        if self.open.is_none()
            && let Some(message) = self.whole_message(input, limits)
        {
            return message.map(|message| Some(Incoming::Message(message)));
        }
        self.next_part(input, limits, deflate)
    }

    /// Reads a complete message in one frame; `None` if the input begins with anything else.
    #[inline]
    fn whole_message(&self, input: &mut Input, limits: &SizeLimits) -> Option<Result<Message, MessageError>> {
        let unread = input.unread();
        let header = Header::read(unread)?;
        if !matches!(header.first, WHOLE_TEXT | WHOLE_BINARY) {
            return None;
        }
        let (payload, end) = self.whole_payload(unread, header, limits)?;
        let message = match header.first {
            WHOLE_TEXT => utf8::text(payload).map(Message::text),
            _ => Ok(Message::from(&*payload)),
        };
        input.advance(end);
        Some(message)
    }

    /// Returns the unmasked payload of a frame that has arrived completely and keeps to the limits,
    /// and the end of the frame.
    #[inline]
    fn whole_payload<'i>(
        &self,
        unread: &'i mut [u8],
        header: Header,
        limits: &SizeLimits,
    ) -> Option<(&'i mut [u8], usize)> {
        let is_expected =
            header.mask.is_some() == self.role.receives_masks() && header.length <= limits.frame as u64;
        if !is_expected {
            return None;
        }
        let end = header.size.saturating_add(header.length as usize);
        let payload = unread.get_mut(header.size..end)?;
        if let Some(mask) = header.mask {
            Mask::new(mask).apply(payload);
        }
        Some((payload, end))
    }

    /// Reads a complete compressed message in one frame; `None` if the input begins with anything
    /// else.
    fn whole_compressed(
        &self,
        input: &mut Input,
        limits: &SizeLimits,
        deflate: &mut Deflate,
    ) -> Option<Result<Option<Message>, MessageError>> {
        let unread = input.unread();
        let header = Header::read(unread)?;
        if !matches!(header.first, WHOLE_COMPRESSED_TEXT | WHOLE_COMPRESSED_BINARY) {
            return None;
        }
        let (payload, end) = self.whole_payload(unread, header, limits)?;
        let kind = header::kind(header::opcode(header.first));
        let message = deflate.inflate(kind, Cow::Borrowed(payload), limits.message);
        input.advance(end);
        Some(message)
    }

    #[cold]
    #[inline(never)]
    fn next_part(
        &mut self,
        input: &mut Input,
        limits: &SizeLimits,
        mut deflate: Option<&mut Deflate>,
    ) -> Result<Option<Incoming>, MessageError> {
        if self.open.is_none()
            && let Some(deflate) = deflate.as_deref_mut()
            && let Some(message) = self.whole_compressed(input, limits, deflate)
        {
            return Ok(message?.map(Incoming::Message));
        }
        let rules = Rules { role: self.role, limits, has_compression: deflate.is_some() };
        let open = self.open.get_or_insert_default();
        if open.remaining == 0 && !open.read_header(input, &rules)? {
            return Ok(None);
        }
        open.read_payload(input)?;
        self.end_frame(limits, deflate)
    }

    /// Ends the frame if its last byte was read. Returns the message that it completes, or the
    /// control frame.
    fn end_frame(
        &mut self,
        limits: &SizeLimits,
        deflate: Option<&mut Deflate>,
    ) -> Result<Option<Incoming>, MessageError> {
        let Some(open) = &mut self.open else { return Ok(None) };
        if open.remaining > 0 {
            return Ok(None);
        }
        let first = open.first;
        if header::is_control(first) {
            let payload = std::mem::take(&mut open.control).into();
            self.has_read_close |= header::opcode(first) == CLOSE;
            if open.message.is_none() {
                self.open = None;
            }
            return control_frame(first, payload).map(Some);
        }
        if first & FIN == 0 {
            return Ok(None);
        }
        let Some(open) = self.open.take() else { return Ok(None) };
        let Some(message) = open.message else { return Ok(None) };
        let message = match (open.compressed, deflate) {
            (Some(kind), Some(deflate)) => {
                deflate.inflate(kind, Cow::Owned(message.into_bytes()), limits.message)?
            }
            _ => Some(message.finish()?),
        };
        Ok(message.map(Incoming::Message))
    }

    /// Whether the rest of the frame is read directly into its message.
    #[inline]
    pub(super) fn reads_straight(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.reads_straight())
    }

    /// Reads once from the transport into the open message. Zero bytes mean the end of the stream.
    pub(super) fn poll_straight<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.open {
            Some(open) => open.poll_straight(io, cx),
            None => Poll::Ready(Ok(0)),
        }
    }

    /// Returns the message that the last [`Self::poll_straight`] has completed.
    pub(super) fn take_straight(
        &mut self,
        limits: &SizeLimits,
        deflate: Option<&mut Deflate>,
    ) -> Result<Option<Incoming>, MessageError> {
        self.end_frame(limits, deflate)
    }

    /// Discards the open message. From here on, only the boundaries of frames are followed.
    pub(super) fn skip_rest(&mut self) -> Skipper {
        match self.open.take() {
            Some(open) if open.remaining > 0 => Skipper::inside(open.first, open.remaining),
            Some(open) => Skipper::behind(open.partial_header()),
            None => Skipper::default(),
        }
    }
}

/// Returns the event of a complete control frame.
fn control_frame(first: u8, payload: Bytes) -> Result<Incoming, MessageError> {
    Ok(match header::opcode(first) {
        header::PING => Incoming::Ping(payload),
        header::PONG => Incoming::Pong(payload),
        _ => Incoming::Close(match payload.split_first_chunk::<2>() {
            None => None,
            Some((code, reason)) => {
                let (code, reason) = (u16::from_be_bytes(*code), utf8::text(reason)?);
                if !may_be_sent(code) {
                    return Err(MessageError::bad_close_code());
                }
                Some((code, reason.into()))
            }
        }),
    })
}
