//! [`Skipper`]: follows the boundaries of frames whose payloads are discarded, to find the peer's
//! close frame.
//!
//! It is used after this side has sent its close frame. It does not keep payloads or check for
//! faults.

use super::header::{CLOSE, FIN, Header, LONGEST_HEADER};
use crate::fixed;

/// The position in a stream whose bytes are discarded.
#[derive(Debug, Default)]
pub(super) struct Skipper {
    /// The bytes of an incomplete header.
    header: [u8; LONGEST_HEADER],
    header_len: usize,
    /// The number of bytes of the current frame that are still to discard; 0 between two frames.
    remaining: u64,
    /// Whether the current frame is a close frame.
    is_close: bool,
    has_seen_close: bool,
    /// The number of bytes that were discarded.
    bytes: usize,
}

impl Skipper {
    /// Starts inside a frame with this first byte, before its last `remaining` bytes.
    pub(super) fn inside(first: u8, remaining: usize) -> Self {
        Self { remaining: remaining as u64, is_close: is_close(first), ..Self::default() }
    }

    /// Starts after these bytes of an incomplete header.
    pub(super) fn behind(header: &[u8]) -> Self {
        let mut skipper = Self::default();
        skipper.walk(header);
        skipper
    }

    /// Whether the peer's close frame has passed completely.
    pub(super) fn has_seen_close(&self) -> bool {
        self.has_seen_close
    }

    /// Whether the limit of discarded bytes is reached.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= fixed::DRAINED_BYTES
    }

    /// Discards bytes of the stream.
    pub(super) fn skip(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.walk(bytes);
    }

    fn walk(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = if self.remaining > 0 { self.skip_payload(bytes) } else { self.skip_header(bytes) };
        }
    }

    fn skip_payload<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let skipped = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len());
        self.remaining -= skipped as u64;
        self.has_seen_close |= self.is_close && self.remaining == 0;
        bytes.get(skipped..).unwrap_or_default()
    }

    fn skip_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (byte, rest) = bytes.split_at(1);
        if let Some(place) = self.header.get_mut(self.header_len..=self.header_len) {
            place.copy_from_slice(byte);
        }
        self.header_len += 1;
        if let Some(header) = Header::read(self.header.get(..self.header_len).unwrap_or_default()) {
            self.header_len = 0;
            self.remaining = header.length;
            self.is_close = is_close(header.first) && header.length <= fixed::CONTROL_PAYLOAD_BYTES as u64;
            self.has_seen_close |= self.is_close && self.remaining == 0;
        }
        rest
    }
}

fn is_close(first: u8) -> bool {
    first == FIN | CLOSE
}
