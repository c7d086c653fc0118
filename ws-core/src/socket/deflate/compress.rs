//! [`Deflating`]: the compression of one message to send (RFC 7692 section 7.2.1).

use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::{FlushCompress, Status};

use super::pool::{self, Deflater};
use crate::{
    fixed,
    socket::{OutQueue, SharedFormat, out_queue::First},
};

/// The end of a flushed stream, which is removed from each message.
const END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The most room that is added to the output at once.
const OUTPUT_STEP: usize = 16 << 10;
/// The least room. It has the end of a stream.
const LEAST_OUTPUT_STEP: usize = 64;

#[derive(Debug)]
pub(super) struct Deflating {
    deflater: Deflater,
    /// The permission to wait for the next poll.
    pause: Option<Pause>,
    /// The number of bytes of the payload that were compressed.
    consumed: usize,
    /// Whether the compressor has failed.
    has_failed: bool,
}

/// A compressed message.
pub(in crate::socket) struct Deflated(Deflater);

impl Deflating {
    /// `history` is the end of the messages before this one.
    pub(super) fn new(bits: u8, level: u8, history: &[u8]) -> Self {
        let mut deflater = pool::deflater(bits, level);
        let has_failed = !history.is_empty() && deflater.state.set_dictionary(history).is_err();
        Self { deflater, pause: None, consumed: 0, has_failed }
    }

    /// Compresses up to `budget` bytes of the first frame of a queue, and takes them from `budget`.
    /// Returns whether the frame is done. While too many compressors wait for their next poll, the
    /// whole frame is compressed, so that their number is limited.
    pub(super) fn advance(&mut self, queue: &OutQueue, first: First, budget: &mut usize) -> bool {
        let rest = first.length - self.consumed;
        if rest > *budget && self.pause.is_none() {
            self.pause = Pause::new();
        }
        let slice = if self.pause.is_some() { rest.min(*budget) } else { rest };
        *budget = budget.saturating_sub(slice);
        for part in queue.payload(first, self.consumed, slice) {
            self.consumed += part.len();
            self.feed(part, self.consumed == first.length);
            if self.has_failed {
                return true;
            }
        }
        self.consumed == first.length
    }

    /// Compresses a part of a message.
    ///
    /// A message that does not become smaller is compressed to its end, too: zlib-rs does not reset
    /// a state completely that still has output, and panics after some of them.
    fn feed(&mut self, mut part: &[u8], is_last: bool) {
        let flush = if is_last { FlushCompress::Sync } else { FlushCompress::None };
        let Deflater { state, out, .. } = &mut self.deflater;
        loop {
            if out.len() == out.capacity() {
                // In the worst case, a byte becomes 9 bits.
                let room = part.len() + part.len() / 8;
                out.reserve(room.clamp(LEAST_OUTPUT_STEP, OUTPUT_STEP));
            }
            let (before, had) = (state.total_in(), out.len());
            let Ok(status) = state.compress_vec(part, out, flush) else {
                self.has_failed = true;
                return;
            };
            let read = (state.total_in() - before) as usize;
            part = part.get(read..).unwrap_or_default();
            // With room left in the output, the compressor has written all that it will.
            let is_written = out.len() < out.capacity() || status == Status::BufError;
            if part.is_empty() && is_written {
                return;
            }
            if read == 0 && out.len() == had && is_written {
                self.has_failed = true;
                return;
            }
        }
    }

    /// Returns the result; `None` if it is not smaller than the message of `length` bytes.
    pub(super) fn finish(mut self, length: usize) -> Option<Deflated> {
        if self.has_failed {
            return None;
        }
        let out = &mut self.deflater.out;
        match out.strip_suffix(&END).map(<[u8]>::len) {
            Some(size) if size < length => {
                out.truncate(size);
                Some(Deflated(self.deflater))
            }
            _ => {
                self.deflater.give_back();
                None
            }
        }
    }
}

/// One of [`fixed::PAUSED_COMPRESSORS`]. It is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Pause;

static PAUSES: AtomicUsize = AtomicUsize::new(0);

impl Pause {
    pub(super) fn new() -> Option<Self> {
        let add = |count: usize| (count < fixed::PAUSED_COMPRESSORS).then_some(count + 1);
        PAUSES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok().map(|_| Self)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        PAUSES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deflated {
    pub(in crate::socket) fn payload(&self) -> &[u8] {
        &self.0.out
    }

    pub(in crate::socket) fn give_back(self) {
        self.0.give_back();
    }
}

/// Compresses the payload of a message for many connections. `None` if it does not become smaller.
pub(in crate::socket) fn compressed(payload: &[u8], format: SharedFormat) -> Option<Deflated> {
    let mut deflating = Deflating::new(format.bits, format.level, &[]);
    deflating.feed(payload, true);
    deflating.finish(payload.len())
}
