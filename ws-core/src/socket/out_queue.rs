//! Encoded frames on their way out.
//!
//! Small frames are copied one behind another into one buffer, large payloads are shared, and all that is there goes
//! out in one vectored write. It owns nothing while empty.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use crate::wire::{CloseFrame, Message};

/// Up to this size a payload is copied: cheaper than another slice in the write, and a small slice no longer pins the
/// large buffer that it was cut from.
const MAX_COPIED_BYTES: usize = 4 << 10;
/// Slices of one vectored write.
const MAX_SLICES: usize = 32;

/// Encoded frames in their order.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    /// What comes before `tail`; boxed, because small frames never need it.
    #[expect(
        clippy::box_collection,
        reason = "a pointer takes a third of the room in every connection that idles"
    )]
    chunks: Option<Box<VecDeque<Bytes>>>,
    /// Small frames, and the header of the large payload that follows.
    tail: BytesMut,
    len: usize,
}

impl OutQueue {
    /// Bytes that are queued.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One whole message as one frame.
    pub(crate) fn message(&mut self, message: Message) {
        match message {
            Message::Text(text) => self.frame(OpCode::Data(Data::Text), text.into()),
            Message::Binary(bytes) => self.frame(OpCode::Data(Data::Binary), bytes),
        }
    }

    /// A ping; its payload is at most 125 bytes.
    pub(crate) fn ping(&mut self, payload: Bytes) {
        self.frame(OpCode::Control(Control::Ping), payload);
    }

    /// A close frame; `None` has no code.
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame>) {
        let mut payload = BytesMut::new();
        if let Some(frame) = frame {
            payload.extend_from_slice(&frame.code.to_be_bytes());
            payload.extend_from_slice(frame.reason.as_bytes());
        }
        self.frame(OpCode::Control(Control::Close), payload.freeze());
    }

    /// Bytes that are already encoded.
    pub(crate) fn encoded(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// A frame that is already encoded and shared with others: a large one is not copied.
    pub(crate) fn shared(&mut self, frame: &Bytes) {
        if frame.len() <= MAX_COPIED_BYTES {
            return self.encoded(frame);
        }
        self.seal();
        self.chunks().push_back(frame.clone());
        self.len += frame.len();
    }

    /// Drops the first frame, of which nothing may be written yet.
    pub(crate) fn drop_frame(&mut self) {
        self.advance(self.first_frame());
    }

    /// Takes over the first frame of `other`, of which nothing may be written yet.
    pub(crate) fn append_frame(&mut self, other: &mut Self) {
        let length = other.first_frame();
        let mut rest = length;
        for chunk in other.chunks.iter().flat_map(|chunks| chunks.iter()) {
            let part = rest.min(chunk.len());
            self.shared(&chunk.slice(..part));
            rest -= part;
            if rest == 0 {
                break;
            }
        }
        self.encoded(other.tail.get(..rest).unwrap_or_default());
        other.advance(length);
    }

    /// The bytes of the first frame. A header stands in one piece, whatever its payload does.
    fn first_frame(&self) -> usize {
        let chunk = self.chunks.as_ref().and_then(|chunks| chunks.front());
        let mut header = io::Cursor::new(chunk.map_or(&*self.tail, |chunk| chunk));
        match FrameHeader::parse(&mut header) {
            Ok(Some((_, payload))) => (header.position() + payload) as usize,
            // All that is queued was encoded here.
            _ => self.len,
        }
    }

    /// Takes over all that `other` has; its order is kept.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        if let Some(mut chunks) = other.chunks.take() {
            self.seal();
            self.chunks().append(&mut chunks);
        }
        self.tail.extend_from_slice(&other.tail);
        other.tail.clear();
        self.len += std::mem::take(&mut other.len);
    }

    /// Forgets all that is queued, and gives its memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes once, as much as the transport takes.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let written = match &self.chunks {
            None => io.poll_write(cx, &self.tail),
            Some(chunks) => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let parts = chunks.iter().map(|chunk| &**chunk).chain([&*self.tail]);
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

    /// All that is queued, in one piece.
    pub(crate) fn flatten(&self) -> BytesMut {
        let mut bytes = BytesMut::with_capacity(self.len);
        for chunk in self.chunks.iter().flat_map(|chunks| chunks.iter()) {
            bytes.extend_from_slice(chunk);
        }
        bytes.extend_from_slice(&self.tail);
        bytes
    }

    fn frame(&mut self, opcode: OpCode, payload: Bytes) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let length = payload.len() as u64;
        let before = self.tail.len();
        if payload.len() <= MAX_COPIED_BYTES {
            self.tail.reserve(header.len(length) + payload.len());
        }
        // Only a failing writer can fail here, and a buffer does not.
        let _ = header.format(length, &mut Append(&mut self.tail));
        self.len += self.tail.len() - before + payload.len();
        if payload.len() <= MAX_COPIED_BYTES {
            self.tail.extend_from_slice(&payload);
        } else {
            self.seal();
            self.chunks().push_back(payload);
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let sealed = self.tail.split().freeze();
            self.chunks().push_back(sealed);
        }
    }

    fn chunks(&mut self) -> &mut VecDeque<Bytes> {
        self.chunks.get_or_insert_default()
    }

    fn advance(&mut self, mut written: usize) {
        self.len = self.len.saturating_sub(written);
        if let Some(chunks) = &mut self.chunks {
            while let Some(chunk) = chunks.front_mut() {
                let part = written.min(chunk.len());
                chunk.advance(part);
                written -= part;
                if chunk.has_remaining() {
                    return;
                }
                chunks.pop_front();
            }
            self.chunks = None;
        }
        self.tail.advance(written.min(self.tail.len()));
        if self.len == 0 {
            self.clear();
        }
    }
}

/// `BytesMut` as a writer.
struct Append<'a>(&'a mut BytesMut);

impl io::Write for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One whole message as one frame, for many to share.
pub(crate) fn encode(message: Message) -> Bytes {
    let mut queue = OutQueue::default();
    queue.message(message);
    if queue.chunks.is_none() { queue.tail.freeze() } else { queue.flatten().freeze() }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn written(mut queue: OutQueue, pipe: usize) -> Vec<u8> {
        let (mut near, mut far) = tokio::io::duplex(pipe);
        let write = async move {
            while !queue.is_empty() {
                std::future::poll_fn(|cx| queue.poll_write(&mut near, cx)).await.unwrap();
            }
        };
        let mut bytes = Vec::new();
        tokio::join!(write, async { far.read_to_end(&mut bytes).await.unwrap() });
        bytes
    }

    fn header(len: usize) -> Vec<u8> {
        match len {
            0..126 => vec![0x82, len as u8],
            126..65_536 => [&[0x82, 126], &(len as u16).to_be_bytes()[..]].concat(),
            _ => [&[0x82, 127], &(len as u64).to_be_bytes()[..]].concat(),
        }
    }

    #[tokio::test]
    async fn frames_of_all_sizes_keep_their_order_through_a_narrow_pipe() {
        let sizes = [0, 1, 125, 126, 4096, 4097, 3, 70_000, 65_535, 65_536, 2, 5000, 5000];
        let mut expected = Vec::new();
        let (mut queue, mut second) = (OutQueue::default(), OutQueue::default());
        for (at, size) in sizes.into_iter().enumerate() {
            let payload = vec![at as u8; size];
            expected.extend(header(size));
            expected.extend(&payload);
            let target = if at < 6 { &mut queue } else { &mut second };
            target.message(Message::binary(payload));
        }
        queue.append(&mut second);
        assert!(second.is_empty());
        assert_eq!(queue.len(), expected.len());
        assert_eq!(written(queue, 777).await, expected);
    }

    #[tokio::test]
    async fn a_close_frame_has_code_and_reason_or_nothing() {
        let mut queue = OutQueue::default();
        queue.close(Some(&CloseFrame::new(1000, "bye")));
        queue.close(None);
        assert_eq!(written(queue, 64).await, [0x88, 5, 0x03, 0xe8, b'b', b'y', b'e', 0x88, 0]);
    }

    #[test]
    fn an_emptied_queue_owns_nothing() {
        let mut queue = OutQueue::default();
        queue.message(Message::text("x".repeat(100)));
        queue.message(Message::text("x".repeat(100_000)));
        queue.advance(queue.len());
        assert_eq!((queue.chunks, queue.tail.capacity()), (None, 0));
    }
}
