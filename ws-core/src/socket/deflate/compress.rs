//! [`Deflating`]: the compression of one message to send (RFC 7692 section 7.2.1).

use flate2::{FlushCompress, Status};

use super::pool::{self, Deflater};
use crate::socket::{OutQueue, SharedFormat, out_queue::First};

/// The end of a flushed stream, which is removed from each message.
const END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The room that is added to the output when it is full.
const OUTPUT_STEP: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Deflating {
    deflater: Deflater,
    /// The number of bytes of the payload that were compressed.
    consumed: usize,
    /// Whether the result is larger than the message, or the compressor has failed.
    is_useless: bool,
}

/// A compressed message.
pub(in crate::socket) struct Deflated(Deflater);

impl Deflating {
    /// `history` is the end of the messages before this one.
    pub(super) fn new(bits: u8, level: u8, history: &[u8]) -> Self {
        let mut deflater = pool::deflater(bits, level);
        let is_useless = !history.is_empty() && deflater.state.set_dictionary(history).is_err();
        Self { deflater, consumed: 0, is_useless }
    }

    /// Compresses up to `budget` bytes of the first frame of a queue, and takes them from `budget`.
    /// Returns whether the frame is done.
    pub(super) fn advance(&mut self, queue: &OutQueue, first: First, budget: &mut usize) -> bool {
        let slice = (first.length - self.consumed).min(*budget);
        *budget -= slice;
        for part in queue.payload(first, self.consumed, slice) {
            self.consumed += part.len();
            self.feed(part, self.consumed == first.length, first.length);
            if self.is_useless {
                return true;
            }
        }
        self.consumed == first.length
    }

    /// Compresses a part of a message. `most` is the size from which on the result is useless.
    fn feed(&mut self, mut part: &[u8], is_last: bool, most: usize) {
        let flush = if is_last { FlushCompress::Sync } else { FlushCompress::None };
        let Deflater { state, out, .. } = &mut self.deflater;
        loop {
            if out.len() == out.capacity() {
                if out.len() >= most + END.len() {
                    self.is_useless = true;
                    return;
                }
                out.reserve((most + END.len() + 1 - out.len()).min(OUTPUT_STEP));
            }
            let (before, had) = (state.total_in(), out.len());
            let Ok(status) = state.compress_vec(part, out, flush) else {
                self.is_useless = true;
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
                self.is_useless = true;
                return;
            }
        }
    }

    /// Returns the result; `None` if it is not smaller than the message of `length` bytes.
    pub(super) fn finish(mut self, length: usize) -> Option<Deflated> {
        let out = &mut self.deflater.out;
        let size = out.strip_suffix(&END).map(<[u8]>::len);
        match size {
            Some(size) if !self.is_useless && size < length => {
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
    deflating.feed(payload, true, payload.len());
    deflating.finish(payload.len())
}
