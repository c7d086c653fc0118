//! The pool of codecs: a connection borrows a codec only while bytes are in flight.
//!
//! tungstenite's `WebSocketContext` takes its stream as an argument of each call, so any connection
//! can use it as long as it holds no data of another one. Each thread has a pool, limited in number
//! and in bytes. An idle connection owns neither a codec nor a buffer.
//!
//! Only a clean codec may be given back; [`Socket`](super::Socket) checks that. A codec is clean
//! between two frames and outside a fragmented message, when nothing is unread or unsent: it then
//! has an empty buffer, no header, no incomplete message and no pong to send. Each loan sets the
//! limits anew. After an error the codec is dropped.

use std::{
    cell::RefCell,
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::SizeLimits;
use crate::fixed;

/// The read size of a medium codec. Several medium messages fit into it.
const MEDIUM_BUFFER_BYTES: usize = 16 << 10;
/// The read size of a large codec. It exceeds [`Input`], so reads bypass the input buffer.
const LARGE_BUFFER_BYTES: usize = 128 << 10;
/// The smallest size of a medium message.
const MEDIUM_MESSAGE_BYTES: usize = 1 << 10;
/// The smallest size of a large message.
const LARGE_MESSAGE_BYTES: usize = 16 << 10;

/// The size of the buffers that suits a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Size {
    #[default]
    Small,
    Medium,
    Large,
}

impl Size {
    /// Returns the size for a connection whose last message had this number of bytes.
    pub(super) fn of(message_bytes: usize) -> Self {
        match message_bytes {
            LARGE_MESSAGE_BYTES.. => Self::Large,
            MEDIUM_MESSAGE_BYTES.. => Self::Medium,
            _ => Self::Small,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Small => fixed::SMALL_CODEC_BYTES,
            Self::Medium => MEDIUM_BUFFER_BYTES,
            Self::Large => LARGE_BUFFER_BYTES,
        }
    }
}

/// A codec, its input, and the size of its buffer.
pub(super) struct Codec {
    pub(super) context: WebSocketContext,
    pub(super) input: Input,
    size: Size,
    /// The largest number of bytes that the buffer has held.
    capacity: usize,
}

impl Codec {
    fn new(size: Size) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(size.bytes())
            // Pongs go to the out queue at once, so the codec buffers nothing.
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX);
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            input: Input::new(),
            size,
            capacity: size.bytes(),
        }
    }

    /// Whether messages may share a buffer of this codec that is worth keeping.
    pub(super) fn is_large(&self) -> bool {
        self.size == Size::Large
    }

    /// The number of bytes in its buffers, including the input.
    fn bytes(&self) -> usize {
        fixed::INPUT_BYTES + self.capacity
    }

    /// Records that the buffer has held a frame of this size.
    pub(super) fn note_held(&mut self, bytes: usize) {
        self.capacity = self.capacity.max(bytes);
    }
}

/// Bytes that were read from the transport and not yet given to the codec.
pub(super) struct Input {
    buffer: Box<[u8]>,
    unread: Range<usize>,
}

impl Input {
    fn new() -> Self {
        Self { buffer: vec![0; fixed::INPUT_BYTES].into(), unread: 0..0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether a read of this size should bypass the input buffer.
    pub(super) fn is_smaller_than(&self, bytes: usize) -> bool {
        self.buffer.len() < bytes
    }

    /// Reads once from the transport. The input must be empty. Zero bytes are the end of the
    /// stream.
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        self.unread = 0..read;
        Poll::Ready(Ok(read))
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    /// Moves as many bytes as fit into `into`, and returns their number.
    pub(super) fn take(&mut self, into: &mut [u8]) -> usize {
        let unread = self.unread();
        let length = unread.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..length), unread.get(..length)) {
            into.copy_from_slice(from);
        }
        self.unread.start += length;
        length
    }
}

/// The codecs of a thread. They are boxed, so that a loan moves a pointer and does not allocate,
/// and a connection without a codec stays small.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "unboxed, each loan would be an allocation of its own")]
struct Pool {
    small: Vec<Box<Codec>>,
    medium: Vec<Box<Codec>>,
    large: Vec<Box<Codec>>,
    /// The number of bytes in the buffers of the medium and large codecs.
    larger_bytes: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Borrows a clean codec and sets its limits.
pub(super) fn borrow(size: Size, limits: SizeLimits) -> Box<Codec> {
    let kept = with(|pool| {
        let larger = match size {
            Size::Small => return pool.small.pop(),
            Size::Medium => &mut pool.medium,
            Size::Large => &mut pool.large,
        };
        let codec = larger.pop()?;
        pool.larger_bytes -= codec.bytes();
        Some(codec)
    });
    let mut codec = kept.flatten().unwrap_or_else(|| Box::new(Codec::new(size)));
    codec.context.set_config(|config| {
        config.max_message_size = Some(limits.message);
        config.max_frame_size = Some(limits.frame);
    });
    codec
}

/// Returns a clean codec to the pool. If the pool is full, the codec is dropped.
pub(super) fn give_back(codec: Box<Codec>) {
    with(|pool| {
        let larger = match codec.size {
            // A codec whose buffer grew is dropped: it takes the memory of a larger codec, but
            // still reads as little at once as before.
            Size::Small if codec.capacity >= LARGE_MESSAGE_BYTES => return,
            Size::Medium if codec.capacity >= LARGE_BUFFER_BYTES => return,
            Size::Small => {
                if pool.small.len() < fixed::SMALL_CODECS_KEPT {
                    pool.small.push(codec);
                }
                return;
            }
            Size::Medium => &mut pool.medium,
            Size::Large => &mut pool.large,
        };
        if pool.larger_bytes + codec.bytes() <= fixed::LARGER_CODECS_KEPT_BYTES {
            pool.larger_bytes += codec.bytes();
            larger.push(codec);
        }
    });
}

/// Runs a function on the pool of this thread. Returns `None` while the thread ends.
fn with<T>(use_it: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| use_it(&mut pool.borrow_mut())).ok()
}

/// Returns the numbers of small and large codecs in the pool of this thread.
#[cfg(test)]
pub(super) fn kept() -> (usize, usize) {
    with(|pool| (pool.small.len(), pool.large.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SizeLimits = SizeLimits { message: 1 << 20, frame: 1 << 20, fragments: 1 };

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes() {
        std::thread::spawn(|| {
            for _ in 0..fixed::SMALL_CODECS_KEPT + 10 {
                give_back(Box::new(Codec::new(Size::Small)));
            }
            for _ in 0..10 {
                let mut grown = Box::new(Codec::new(Size::Large));
                grown.note_held(1 << 20);
                give_back(grown);
            }
            assert_eq!(kept(), (fixed::SMALL_CODECS_KEPT, 3), "with their inputs four are more than 4 MiB");
            for _ in 0..3 {
                borrow(Size::Large, LIMITS);
            }
            assert_eq!(kept(), (fixed::SMALL_CODECS_KEPT, 0));
            give_back(Box::new(Codec::new(Size::Large)));
            assert_eq!(kept().1, 1, "the bytes were given back, too");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_small_codec_that_grew_is_not_kept() {
        std::thread::spawn(|| {
            let mut grown = borrow(Size::Small, LIMITS);
            grown.note_held(LARGE_MESSAGE_BYTES);
            give_back(grown);
            assert_eq!(kept(), (0, 0));
        })
        .join()
        .unwrap();
    }
}
