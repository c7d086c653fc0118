//! [`Input`]: bytes that were read from the transport and not parsed yet, and the pool of their
//! buffers.
//!
//! A connection borrows a buffer only while it has unread bytes, so an idle connection owns none.
//! Each thread has a pool with a limited number of buffers. A buffer is cleared only once, when it
//! is allocated; only its unread part may be read.

use std::{
    cell::RefCell,
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::fixed;

/// The sizes of the buffers in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Size {
    #[default]
    Small,
    /// For a connection whose last read would have filled a small buffer.
    Large,
}

impl Size {
    /// Returns the size for a connection whose last read returned this number of bytes.
    #[inline]
    pub(super) fn after(read: usize) -> Self {
        if read < fixed::INPUT_BYTES { Self::Small } else { Self::Large }
    }

    #[inline]
    fn bytes(self) -> usize {
        match self {
            Self::Small => fixed::INPUT_BYTES,
            Self::Large => fixed::LARGE_INPUT_BYTES,
        }
    }
}

/// A buffer with unread bytes.
pub(super) struct Input {
    buffer: Box<[u8]>,
    unread: Range<usize>,
}

impl Input {
    /// Makes an input with these unread bytes. It does not belong to the pool.
    pub(super) fn holding(bytes: &[u8]) -> Self {
        Self { buffer: bytes.into(), unread: 0..bytes.len() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether this buffer has this size.
    #[inline]
    pub(super) fn is(&self, size: Size) -> bool {
        self.buffer.len() == size.bytes()
    }

    /// Reads once from the transport. The input must be empty. Zero bytes mean the end of the
    /// stream.
    #[inline]
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // If a read does not fill the buffer, tokio clears the readiness of the socket. This saves
        // a system call that would return nothing.
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        self.unread = 0..read;
        Poll::Ready(Ok(read))
    }

    #[inline]
    pub(super) fn unread(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.unread.clone()).unwrap_or_default()
    }

    /// Marks bytes at the beginning as read.
    #[inline]
    pub(super) fn advance(&mut self, bytes: usize) {
        self.unread.start += bytes;
    }

    /// Takes at most this number of bytes from the beginning.
    pub(super) fn take(&mut self, most: usize) -> &mut [u8] {
        let start = self.unread.start;
        self.unread.start += most.min(self.unread.len());
        self.buffer.get_mut(start..self.unread.start).unwrap_or_default()
    }
}

/// The buffers of a thread. They are boxed, so that borrowing moves a pointer and a connection
/// without a buffer stays small.
#[expect(clippy::vec_box, reason = "without the box, each borrow would allocate")]
struct Pool {
    small: Vec<Box<Input>>,
    large: Vec<Box<Input>>,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { small: Vec::new(), large: Vec::new() }) };
}

/// Borrows an empty buffer.
#[inline]
pub(super) fn borrow(size: Size) -> Box<Input> {
    let kept = POOL.try_with(|pool| match size {
        Size::Small => pool.borrow_mut().small.pop(),
        Size::Large => pool.borrow_mut().large.pop(),
    });
    // The pool is gone while the thread ends.
    kept.ok().flatten().unwrap_or_else(|| allocate(size))
}

#[cold]
fn allocate(size: Size) -> Box<Input> {
    Box::new(Input { buffer: vec![0; size.bytes()].into(), unread: 0..0 })
}

/// Returns a buffer to the pool. If the pool is full, the buffer is dropped.
#[inline]
pub(super) fn give_back(mut input: Box<Input>) {
    input.unread = 0..0;
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if input.is(Size::Small) && pool.small.len() < fixed::INPUTS_KEPT {
            pool.small.push(input);
        } else if input.is(Size::Large) && pool.large.len() < fixed::LARGE_INPUTS_KEPT {
            pool.large.push(input);
        }
    });
}

/// Returns the numbers of small and large buffers in the pool of this thread.
#[cfg(test)]
pub(super) fn kept() -> [usize; 2] {
    POOL.with_borrow(|pool| [pool.small.len(), pool.large.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_a_limited_number_of_buffers_of_its_own_sizes() {
        std::thread::spawn(|| {
            for size in [Size::Small, Size::Large] {
                let lent: Vec<_> = (0..100).map(|_| borrow(size)).collect();
                lent.into_iter().for_each(give_back);
            }
            give_back(Box::new(Input::holding(&[0; 100])));
            assert_eq!(kept(), [fixed::INPUTS_KEPT, fixed::LARGE_INPUTS_KEPT]);
            assert!(borrow(Size::Small).is(Size::Small) && borrow(Size::Large).is(Size::Large));
            assert_eq!(kept(), [fixed::INPUTS_KEPT - 1, fixed::LARGE_INPUTS_KEPT - 1]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_borrowed_buffer_is_empty() {
        let mut input = borrow(Size::Small);
        input.unread = 0..10;
        give_back(input);
        assert!(borrow(Size::Small).is_empty());
    }
}
