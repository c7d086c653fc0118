//! [`Deflate`]: permessage-deflate on an open connection (RFC 7692 section 7.2).
//!
//! A connection owns no compressor. It borrows a state of its thread ([`pool`]) while it processes
//! a message, and keeps at most the last bytes of its messages as plain text ([`Window`]), which
//! it sets as the dictionary of the state. A state is reset before it is used, so no message can
//! refer to the bytes of another connection.
//!
//! Received messages are decompressed after their last frame, in slices ([`inflate`]). Messages to
//! send wait in a queue of uncompressed frames, and are compressed when they are moved to the queue
//! that is written ([`compress`]). So a message that the outbox drops was never in a window.

mod compress;
mod inflate;
mod pool;
mod window;

use std::borrow::Cow;

use self::{
    compress::Deflating,
    inflate::{Inflating, Progress},
    window::Window,
};
use super::{OutQueue, SharedFormat, mask::Role, out_queue::First};
use crate::{
    config::Compression,
    extension::{Agreement, Direction, LEAST_BITS, Reserved},
    fixed,
    telemetry::{CompressedBytes, MessageKind},
    wire::{Message, MessageError},
};

pub(super) use self::compress::compressed;

/// The compression of one connection.
///
/// An idle connection keeps only this struct, and its windows if it has any.
#[derive(Debug)]
pub(crate) struct Deflate {
    send: Direction,
    level: u8,
    /// The smallest payload that is compressed, in bytes.
    threshold: u32,
    windows: Option<Box<Windows>>,
    busy: Option<Box<Busy>>,
}

#[derive(Debug)]
struct Windows {
    sent: Window,
    received: Window,
    /// Dropped with the windows.
    _memory: Option<Reserved>,
}

/// The state of a connection that is not idle.
#[derive(Debug, Default)]
struct Busy {
    /// Frames that are not compressed yet, in order.
    plain: OutQueue,
    /// The compression of the first frame of `plain`, from its first slice on.
    deflating: Option<Deflating>,
    inflating: Option<Inflating>,
    /// The bytes that the last slice has decompressed.
    inflated: usize,
    /// The bytes that no counter has yet.
    bytes: CompressedBytes,
}

impl Deflate {
    pub(crate) fn new(agreement: Agreement, compression: &Compression) -> Self {
        let Agreement { send, receive, memory } = agreement;
        let has_windows = send.takes_over || receive.takes_over;
        let windows =
            || Box::new(Windows { sent: Window::new(send), received: Window::new(receive), _memory: memory });
        Self {
            send,
            // The check of the settings allows 1 to 9.
            level: compression.level as u8,
            threshold: u32::try_from(compression.threshold()).unwrap_or(u32::MAX),
            windows: has_windows.then(windows),
            busy: None,
        }
    }

    /// The form in which this connection takes a message that is compressed once for many
    /// connections. `None` if it compresses each message with those before it.
    pub(crate) fn shared_format(&self) -> Option<SharedFormat> {
        let Self { level, threshold, send, .. } = *self;
        let is_possible = !send.takes_over && send.bits >= LEAST_BITS;
        is_possible.then_some(SharedFormat { bits: send.bits, level, threshold })
    }

    /// The queue of frames that are not compressed yet.
    pub(super) fn plain(&mut self) -> &mut OutQueue {
        &mut self.busy.get_or_insert_default().plain
    }

    /// The number of bytes that are not compressed yet.
    pub(super) fn waiting(&self) -> usize {
        self.busy.as_ref().map_or(0, |busy| busy.plain.len())
    }

    /// Whether the first message of the queue is partly compressed.
    pub(super) fn is_deflating(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.deflating.is_some())
    }

    /// Returns the bytes that were processed since the last call, and frees what an idle connection
    /// does not need.
    pub(super) fn settle(&mut self) -> Option<CompressedBytes> {
        let busy = self.busy.as_mut()?;
        let bytes = std::mem::take(&mut busy.bytes);
        if busy.plain.is_empty() && busy.inflating.is_none() {
            self.busy = None;
        }
        Some(bytes)
    }

    /// Moves frames to the end of `out` and compresses messages on the way, until `out` holds
    /// enough for one write or `budget` bytes were compressed. A message that was begun is
    /// compressed to its end also while `out` is full.
    pub(super) fn advance(&mut self, out: &mut OutQueue, role: Role, budget: &mut usize) {
        while *budget > 0
            && let Some(busy) = &mut self.busy
            && (out.len() <= fixed::BACKLOG_BYTES || busy.deflating.is_some())
            && let Some(first) = busy.plain.first()
        {
            if let Some(size) = first.stamp {
                if first.is_compressed {
                    busy.bytes.sent(size as usize, first.length);
                }
                busy.plain.drop_stamp();
                out.append_frame(&mut busy.plain);
            } else if self.send.bits < LEAST_BITS || !first.is_message_of(self.threshold) {
                move_plain(&mut busy.plain, out, role);
            } else {
                self.compress(first, out, role, budget);
            }
        }
    }

    /// Compresses a slice of the first message of the queue, and moves the message to `out` after
    /// its last slice.
    fn compress(&mut self, first: First, out: &mut OutQueue, role: Role, budget: &mut usize) {
        let Some(busy) = &mut self.busy else { return };
        let mut deflating = busy.deflating.take().unwrap_or_else(|| {
            let window = self.windows.as_ref().map_or(&[][..], |windows| windows.sent.bytes());
            // To set a dictionary takes as long as to compress it.
            *budget = budget.saturating_sub(window.len());
            Deflating::new(self.send.bits, self.level, window)
        });
        if !deflating.advance(&busy.plain, first, budget) {
            busy.deflating = Some(deflating);
            return;
        }
        let Some(done) = deflating.finish(first.length) else {
            return move_plain(&mut busy.plain, out, role);
        };
        if let Some(windows) = &mut self.windows {
            windows.sent.push(busy.plain.payload(first, 0, first.length));
        }
        busy.bytes.sent(first.length, done.payload().len());
        out.compressed_frame(first.opcode, done.payload(), role.new_mask());
        busy.plain.drop_frame();
        done.give_back();
    }

    /// Decompresses the payload of a message. `None` if that takes another slice.
    pub(super) fn inflate(
        &mut self,
        kind: MessageKind,
        payload: Cow<'_, [u8]>,
        limit: usize,
    ) -> Result<Option<Message>, MessageError> {
        if payload.is_empty() {
            // Not valid, but zlib's `deflate` writes nothing for an empty message behind another
            // one, and some peers send that.
            return inflate::message(kind, &[]).map(Some);
        }
        let history = self.windows.as_ref().map_or(&[][..], |windows| windows.received.bytes());
        self.decompress(Inflating::new(kind, history), payload, limit)
    }

    /// Whether the last message is not completely decompressed. Nothing else may be read then.
    #[inline]
    pub(super) fn is_inflating(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.inflating.is_some())
    }

    /// Decompresses the next slice.
    #[cold]
    pub(super) fn go_on(&mut self, limit: usize) -> Result<Option<Message>, MessageError> {
        let inflating = self.busy.as_mut().and_then(|busy| busy.inflating.take());
        let Some(mut inflating) = inflating else { return Ok(None) };
        let payload = Cow::Owned(inflating.take_payload());
        self.decompress(inflating, payload, limit)
    }

    fn decompress(
        &mut self,
        mut inflating: Inflating,
        payload: Cow<'_, [u8]>,
        limit: usize,
    ) -> Result<Option<Message>, MessageError> {
        let busy = self.busy.get_or_insert_default();
        let history = self.windows.as_ref().map_or(&[][..], |windows| windows.received.bytes());
        if inflating.advance(&payload, history, limit, &mut busy.inflated)? == Progress::More {
            inflating.keep(payload.into_owned());
            busy.inflating = Some(inflating);
            return Ok(None);
        }
        let message = inflating.message()?;
        if let Some(windows) = &mut self.windows {
            windows.received.push([message.as_bytes()]);
        }
        busy.bytes.received(message.len(), payload.len());
        inflating.give_back();
        Ok(Some(message))
    }

    /// Returns the bytes that the last slice has decompressed.
    pub(super) fn take_inflated(&mut self) -> usize {
        self.busy.as_mut().map_or(0, |busy| std::mem::take(&mut busy.inflated))
    }
}

/// Moves the first frame of `plain` to the end of `out`, uncompressed. A client masks it.
fn move_plain(plain: &mut OutQueue, out: &mut OutQueue, role: Role) {
    match role.new_mask() {
        None => out.append_frame(plain),
        Some(mask) => {
            if let Some((opcode, payload)) = plain.pop_frame() {
                out.frame(opcode, payload, Some(mask));
            }
        }
    }
}

#[cfg(test)]
mod tests;
