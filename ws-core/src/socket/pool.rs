//! Codecs on loan: a connection has one only while bytes are in flight.
//!
//! tungstenite's `WebSocketContext` takes its stream as an argument of each call, so it belongs to nobody in particular as long as
//! it has nothing of a connection inside. Each thread keeps a few, bounded in number and in bytes; an idle connection owns none, and
//! no buffer.
//!
//! What makes one clean is [`Socket`](super::Socket)'s to know: between two frames, outside of a fragmented message, with nothing left unread
//! and nothing left unsent, a context has an empty buffer, no header, no incomplete message and no pong to send. Whoever
//! borrows it next sets the limits anew. After an error it is dropped.

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

/// What a codec takes of the input at once for connections whose last message was a larger part of a small one's: several
/// fit.
const MEDIUM_BUFFER_BYTES: usize = 16 << 10;
/// What the codec for connections that last received a large message reads at once, past the input.
const LARGE_BUFFER_BYTES: usize = 128 << 10;
/// From these sizes on a message is a medium one, or a large one.
const MEDIUM_MESSAGE_BYTES: usize = 1 << 10;
const LARGE_MESSAGE_BYTES: usize = 16 << 10;

/// How large the buffers are that a connection is served best with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Size {
    #[default]
    Small,
    Medium,
    Large,
}

impl Size {
    /// By the last message.
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

/// A codec and what is known of its buffer.
pub(super) struct Codec {
    pub(super) context: WebSocketContext,
    pub(super) input: Input,
    size: Size,
    /// The most that its buffer has had to hold, in bytes.
    capacity: usize,
}

impl Codec {
    fn new(size: Size) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(size.bytes())
            // Pongs go to the out queue at once; nothing is buffered in the codec.
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX);
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            input: Input::new(),
            size,
            capacity: size.bytes(),
        }
    }

    /// Whether messages that it hands out may be cut from a buffer worth keeping.
    pub(super) fn is_large(&self) -> bool {
        self.size == Size::Large
    }

    /// What it holds, with the input in front of it.
    fn bytes(&self) -> usize {
        fixed::INPUT_BYTES + self.capacity
    }

    /// Its buffer has held a frame of this size.
    pub(super) fn has_held(&mut self, bytes: usize) {
        self.capacity = self.capacity.max(bytes);
    }
}

/// What was read of the transport and is not the codec's yet.
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

    /// Whether reading this much at once is better done without it.
    pub(super) fn is_smaller_than(&self, bytes: usize) -> bool {
        self.buffer.len() < bytes
    }

    /// Reads the transport once; nothing may be left inside. Zero bytes are the end of the stream.
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

    /// Copies as much as there is room for; how much that was.
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

/// The boxes are what is lent: moving one into a connection allocates nothing, and leaves a connection without one small.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "unboxed, each loan would be an allocation of its own")]
struct Pool {
    small: Vec<Box<Codec>>,
    medium: Vec<Box<Codec>>,
    large: Vec<Box<Codec>>,
    /// In the buffers of the medium and the large ones.
    larger_bytes: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A clean codec with these limits.
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

/// Takes a clean codec back; one too many is dropped.
pub(super) fn give_back(codec: Box<Codec>) {
    with(|pool| {
        let larger = match codec.size {
            // One that grew is neither: it holds as much as a larger one, and reads as little as before.
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

/// `None` while the thread ends.
fn with<T>(use_it: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| use_it(&mut pool.borrow_mut())).ok()
}

/// Codecs that this thread keeps: small ones and large ones.
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
                grown.has_held(1 << 20);
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
            grown.has_held(LARGE_MESSAGE_BYTES);
            give_back(grown);
            assert_eq!(kept(), (0, 0));
        })
        .join()
        .unwrap();
    }
}
