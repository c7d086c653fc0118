//! [`OutQueue`]: encoded frames that wait to be written.
//!
//! Small frames are copied into one buffer, large payloads are shared, and one vectored write sends
//! all of them. A frame of a broadcast that is alone in the queue is shared, too. An empty queue
//! owns no heap memory. The queue has no limit of its own: the outbox and the driver limit what is
//! added. A frame must never be inserted in front of a partly written one.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::{
    header::{self, FIN, Header},
    mask::Mask,
    shared::{self, STAMP_SIZE},
};
use crate::{
    telemetry::MessageKind,
    wire::{CloseFrame, Message},
};

/// A payload of at most this size is copied. A copy is cheaper than another slice in the write, and
/// it does not keep alive the large buffer from which a small payload was cut.
const MAX_COPIED_BYTES: usize = 4 << 10;
/// The largest number of slices in one vectored write.
const MAX_SLICES: usize = 32;

/// Encoded frames, in order.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    /// The bytes before `tail`. Boxed, because small frames do not need it.
    #[expect(
        clippy::box_collection,
        reason = "a pointer takes a third of the memory in every idle connection"
    )]
    chunks: Option<Box<VecDeque<Bytes>>>,
    /// Small frames, and the header of the large payload that follows.
    tail: Tail,
    len: usize,
}

#[derive(Debug)]
enum Tail {
    Own(BytesMut),
    /// A frame that other queues share. It needs no allocation for each of them.
    Shared(Bytes),
}

impl Default for Tail {
    fn default() -> Self {
        Self::Own(BytesMut::new())
    }
}

impl Tail {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(frame) => frame,
        }
    }

    /// Returns the buffer with room for this many bytes. A shared frame is copied into it.
    #[inline]
    fn own(&mut self, additional: usize) -> Option<&mut BytesMut> {
        if let Self::Shared(_) = self {
            self.copy(additional);
        }
        let Self::Own(bytes) = self else { return None };
        bytes.reserve(additional);
        Some(bytes)
    }

    #[cold]
    fn copy(&mut self, additional: usize) {
        let mut bytes = BytesMut::with_capacity(self.bytes().len() + additional);
        bytes.extend_from_slice(self.bytes());
        *self = Self::Own(bytes);
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Own(bytes) => bytes.advance(count),
            Self::Shared(frame) => frame.advance(count),
        }
    }

    fn freeze(self) -> Bytes {
        match self {
            Self::Own(bytes) => bytes.freeze(),
            Self::Shared(frame) => frame,
        }
    }
}

impl OutQueue {
    /// The number of queued bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a message as one frame.
    pub(crate) fn message(&mut self, message: Message) {
        let (opcode, payload) = data_payload(message);
        self.frame(opcode, payload, None);
    }

    /// Appends a ping. The payload must have at most 125 bytes.
    pub(crate) fn ping(&mut self, payload: Bytes) {
        self.frame(header::PING, payload, None);
    }

    /// Appends a close frame; without a code if `frame` is `None`.
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame>) {
        self.frame(header::CLOSE, close_payload(frame), None);
    }

    /// Appends a frame that is the last of its message, masked if there is a mask.
    pub(super) fn frame(&mut self, opcode: u8, payload: Bytes, mask: Option<[u8; 4]>) {
        let header = header::Written::new(FIN | opcode, payload.len(), mask);
        let header = header.as_slice();
        self.len += header.len() + payload.len();
        if payload.len() <= MAX_COPIED_BYTES {
            let Some(tail) = self.tail.own(header.len() + payload.len()) else { return };
            tail.extend_from_slice(header);
            let start = tail.len();
            tail.extend_from_slice(&payload);
            if let Some(mask) = mask {
                Mask::new(mask).apply(tail.get_mut(start..).unwrap_or_default());
            }
            return;
        }
        if let Some(tail) = self.tail.own(header.len()) {
            tail.extend_from_slice(header);
        }
        self.seal();
        let payload = match mask {
            None => payload,
            Some(mask) => masked(payload, mask),
        };
        self.chunks().push_back(payload);
    }

    /// Appends a compressed message (RFC 7692 section 6).
    #[cfg(feature = "deflate")]
    pub(super) fn compressed_frame(&mut self, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) {
        self.frame(header::RSV1 | opcode, Bytes::copy_from_slice(payload), mask);
    }

    /// Appends bytes that are encoded already.
    pub(crate) fn encoded(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(tail) = self.tail.own(bytes.len()) {
            tail.extend_from_slice(bytes);
        }
    }

    /// Appends an encoded frame that other queues share. A large frame is not copied, nor is one
    /// that is alone in the queue.
    pub(crate) fn shared(&mut self, frame: &Bytes) {
        if self.is_empty() {
            self.tail = Tail::Shared(frame.clone());
        } else if frame.len() <= MAX_COPIED_BYTES {
            return self.encoded(frame);
        } else {
            self.seal();
            self.chunks().push_back(frame.clone());
        }
        self.len += frame.len();
    }

    /// Drops the first frame. No part of it may have been written.
    pub(crate) fn drop_frame(&mut self) {
        self.advance(self.first().map_or(self.len, |first| first.size()));
    }

    /// Moves the first frame of `other` to the end. No part of it may have been written.
    pub(crate) fn append_frame(&mut self, other: &mut Self) {
        let length = other.first().map_or(other.len, |first| first.size());
        let mut rest = length;
        for chunk in other.chunks.iter().flat_map(|chunks| chunks.iter()) {
            let part = rest.min(chunk.len());
            self.shared(&chunk.slice(..part));
            rest -= part;
            if rest == 0 {
                break;
            }
        }
        match &other.tail {
            Tail::Shared(frame) => self.shared(&frame.slice(..rest)),
            Tail::Own(bytes) => self.encoded(bytes.get(..rest).unwrap_or_default()),
        }
        other.advance(length);
    }

    /// Returns the kind of the first frame, which must be a message, and the bytes of its payload.
    /// `None` if the queue is empty.
    pub(crate) fn first_message(&self) -> Option<(MessageKind, usize)> {
        self.first().map(|first| (header::kind(first.opcode), first.uncompressed()))
    }

    /// Returns the first frame; `None` if the queue is empty. A header is never split between
    /// chunks, and the queue has only frames that were encoded here.
    pub(super) fn first(&self) -> Option<First> {
        let chunk = self.chunks.as_ref().and_then(|chunks| chunks.front());
        First::read(chunk.map_or(self.tail.bytes(), |chunk| chunk))
    }

    /// Removes the stamp of the first frame.
    #[cfg(feature = "deflate")]
    pub(super) fn drop_stamp(&mut self) {
        self.advance(STAMP_SIZE);
    }

    /// Returns a part of the payload of the first frame, in pieces.
    #[cfg(feature = "deflate")]
    pub(super) fn payload(&self, first: First, from: usize, length: usize) -> impl Iterator<Item = &[u8]> {
        let (mut skip, mut rest) = (first.header + from, length);
        let chunks = self.chunks.iter().flat_map(|chunks| chunks.iter()).map(|chunk| &**chunk);
        chunks.chain([self.tail.bytes()]).filter_map(move |chunk| {
            let start = skip.min(chunk.len());
            skip -= start;
            let end = start.saturating_add(rest).min(chunk.len());
            rest -= end - start;
            chunk.get(start..end).filter(|piece| !piece.is_empty())
        })
    }

    /// Removes the first frame, which must not be masked, and returns its opcode and payload.
    #[cfg(feature = "deflate")]
    pub(super) fn pop_frame(&mut self) -> Option<(u8, Bytes)> {
        let first = self.first()?;
        let mut payload = BytesMut::with_capacity(first.length);
        for piece in self.payload(first, 0, first.length) {
            payload.extend_from_slice(piece);
        }
        self.drop_frame();
        Some((first.opcode, payload.freeze()))
    }

    /// Moves all frames of `other` to the end, in order.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        self.len += std::mem::take(&mut other.len);
        if let Some(mut chunks) = other.chunks.take() {
            self.seal();
            self.chunks().append(&mut chunks);
        }
        if let Some(tail) = self.tail.own(other.tail.bytes().len()) {
            tail.extend_from_slice(other.tail.bytes());
        }
        match &mut other.tail {
            // Keeps the buffer for the next frames.
            Tail::Own(bytes) => bytes.clear(),
            Tail::Shared(_) => other.tail = Tail::default(),
        }
    }

    /// Drops all queued frames and frees their memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.owns_memory() {
            *self = Self::default();
        }
    }

    #[inline]
    fn owns_memory(&self) -> bool {
        let Tail::Own(tail) = &self.tail else { return true };
        tail.capacity() > 0 || self.chunks.is_some()
    }

    /// Writes once, as much as the transport accepts.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let written = match &self.chunks {
            None => io.poll_write(cx, self.tail.bytes()),
            Some(chunks) => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let parts = chunks.iter().map(|chunk| &**chunk).chain([self.tail.bytes()]);
                for (slice, part) in slices.iter_mut().zip(parts) {
                    *slice = IoSlice::new(part);
                }
                io.poll_write_vectored(cx, &slices)
            }
        };
        written.map_ok(|written| {
            self.advance(written);
            written
        })
    }

    /// Returns all queued bytes in one buffer.
    pub(crate) fn flatten(&self) -> BytesMut {
        let mut bytes = BytesMut::with_capacity(self.len);
        for chunk in self.chunks.iter().flat_map(|chunks| chunks.iter()) {
            bytes.extend_from_slice(chunk);
        }
        bytes.extend_from_slice(self.tail.bytes());
        bytes
    }

    /// Makes a chunk of the tail.
    fn seal(&mut self) {
        let sealed = match &mut self.tail {
            Tail::Own(bytes) => bytes.split().freeze(),
            Tail::Shared(_) => std::mem::take(&mut self.tail).freeze(),
        };
        if !sealed.is_empty() {
            self.chunks().push_back(sealed);
        }
    }

    fn chunks(&mut self) -> &mut VecDeque<Bytes> {
        self.chunks.get_or_insert_default()
    }

    fn advance(&mut self, mut count: usize) {
        if count >= self.len {
            return self.clear();
        }
        self.len -= count;
        if let Some(chunks) = &mut self.chunks {
            while let Some(chunk) = chunks.front_mut() {
                let part = count.min(chunk.len());
                chunk.advance(part);
                count -= part;
                if chunk.has_remaining() {
                    return;
                }
                chunks.pop_front();
            }
            self.chunks = None;
        }
        self.tail.advance(count.min(self.tail.bytes().len()));
    }
}

/// The first frame of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    /// The size of the uncompressed message, if nothing is left to compress.
    pub(super) stamp: Option<u32>,
    pub(super) opcode: u8,
    /// Whether the payload is compressed.
    #[cfg(feature = "deflate")]
    pub(super) is_compressed: bool,
    /// The bytes of the stamp and the header.
    header: usize,
    /// The bytes of the payload.
    pub(super) length: usize,
}

impl First {
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let stamp = shared::stamp(bytes);
        let before = if stamp.is_some() { STAMP_SIZE } else { 0 };
        let header = Header::read(bytes.get(before..)?)?;
        Some(Self {
            stamp,
            opcode: header::opcode(header.first),
            #[cfg(feature = "deflate")]
            is_compressed: header.first & header::RSV1 != 0,
            header: before + header.size,
            length: header.length as usize,
        })
    }

    /// The bytes of the whole frame.
    fn size(self) -> usize {
        self.header + self.length
    }

    /// The bytes of the message before it was compressed.
    fn uncompressed(self) -> usize {
        self.stamp.map_or(self.length, |before| before as usize)
    }

    /// Whether it is a message of at least this number of bytes, and not an empty one.
    #[cfg(feature = "deflate")]
    pub(super) fn is_message_of(self, least: u32) -> bool {
        !header::is_control(self.opcode) && self.length >= (least as usize).max(1)
    }
}

/// Returns the kind of a message that is encoded as one frame, and the bytes of its payload before
/// it was compressed.
#[inline]
pub(crate) fn data_frame(frame: &[u8]) -> (MessageKind, usize) {
    match First::read(frame) {
        Some(first) => (header::kind(first.opcode), first.uncompressed()),
        // Not reachable: the frame was encoded by this module, or checked by `is_whole_message`.
        None => (MessageKind::Binary, frame.len()),
    }
}

/// Returns the opcode and the payload of a message.
pub(super) fn data_payload(message: Message) -> (u8, Bytes) {
    match message {
        Message::Text(text) => (header::TEXT, text.into()),
        Message::Binary(bytes) => (header::BINARY, bytes),
    }
}

/// Returns the payload of a close frame; empty if `frame` is `None`.
pub(super) fn close_payload(frame: Option<&CloseFrame>) -> Bytes {
    let Some(frame) = frame else { return Bytes::new() };
    [&frame.code.to_be_bytes(), frame.reason.as_bytes()].concat().into()
}

/// Masks a payload: in place if it is not shared, otherwise in a copy.
fn masked(payload: Bytes, mask: [u8; 4]) -> Bytes {
    let mut payload = payload.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
    Mask::new(mask).apply(&mut payload);
    payload.freeze()
}

/// Encodes a message as one frame, which many queues can share.
pub(crate) fn encode(message: Message) -> Bytes {
    let mut queue = OutQueue::default();
    queue.message(message);
    if queue.chunks.is_none() { queue.tail.freeze() } else { queue.flatten().freeze() }
}

#[cfg(test)]
mod tests;
