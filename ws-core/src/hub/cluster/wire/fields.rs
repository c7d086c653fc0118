//! The parts that messages consist of: numbers, short bytes, frames and close frames.

use bytes::{BufMut as _, Bytes};

use crate::wire::{CloseFrame, may_be_sent};

pub(super) fn put_head(out: &mut Vec<u8>, start: [u8; 3], link: u32, node: u32, sequence: u64) {
    out.put_slice(&start);
    out.put_u32(link);
    out.put_u32(node);
    out.put_u64(sequence);
}

pub(super) fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    out.put_u16(bytes.len() as u16);
    out.put_slice(bytes);
}

pub(super) fn put_close(out: &mut Vec<u8>, frame: &CloseFrame) {
    out.put_u16(frame.code);
    out.put_slice(frame.reason.as_bytes());
}

/// Reads a close frame at the end of a message.
pub(super) fn read_close(from: &mut Reader<'_>) -> Option<CloseFrame> {
    let code = from.u16()?;
    let reason = std::str::from_utf8(from.rest()).ok()?;
    may_be_sent(code).then(|| CloseFrame::new(code, reason))
}

pub(super) fn put_frame(out: &mut Vec<u8>, format: u8, frame: &[u8]) {
    out.put_u8(format);
    // `cluster.message` is below 4 GiB.
    out.put_u32(frame.len() as u32);
    out.put_slice(frame);
}

/// Reads numbers and bytes from the start of a slice on. Each method returns `None` where the slice
/// is too short.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from this offset on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// Takes bytes of the message that this reader reads, without a copy.
    pub(super) fn slice(&mut self, message: &Bytes, length: usize) -> Option<Bytes> {
        self.take(length).map(|taken| message.slice_ref(taken))
    }

    /// Takes bytes after their length, as `put_short` writes them.
    pub(super) fn short(&mut self, message: &Bytes) -> Option<Bytes> {
        let length = usize::from(self.u16()?);
        self.slice(message, length)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}
