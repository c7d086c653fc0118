//! [`Adapter`]: a blocking `Read + Write` over an async transport, for one poll of the codec.
//!
//! A pending read becomes `WouldBlock`. Reads use `poll_read`: after a short read tokio clears the
//! socket's readiness, which saves the next system call that would only return `WouldBlock`. Writes
//! append to the [`OutQueue`]. When the walker stops in front of a frame, that frame and all bytes
//! behind it must not reach the codec.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Budget, OutQueue, pool::Input, walker::FrameWalker};

pub(super) struct Adapter<'a, 'w, S> {
    pub(super) io: &'a mut S,
    pub(super) cx: &'a mut Context<'w>,
    pub(super) prefix: &'a mut Option<Box<Bytes>>,
    pub(super) input: &'a mut Input,
    pub(super) walker: &'a mut FrameWalker,
    pub(super) out: &'a mut OutQueue,
    pub(super) budget: &'a mut Budget,
    pub(super) alive: &'a mut bool,
}

impl<S: AsyncRead + Unpin> Read for Adapter<'_, '_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // One `read` of the codec may consume any number of empty fragments, so the budget is
        // checked here.
        if self.budget.is_spent() || self.walker.is_stopped() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let read = if let Some(prefix) = self.prefix {
            let length = prefix.len().min(into.len());
            prefix.copy_to_slice(into.get_mut(..length).unwrap_or_default());
            if prefix.is_empty() {
                *self.prefix = None;
            }
            length
        } else if !self.input.is_empty() {
            self.input.take(into)
        } else if self.input.is_smaller_than(into.len()) {
            let mut buffer = ReadBuf::new(into);
            or_would_block(Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer))?;
            buffer.filled().len()
        } else {
            or_would_block(self.input.poll_fill(self.io, self.cx))?;
            self.input.take(into)
        };
        let bytes = into.get(..read).unwrap_or_default();
        let walked = self.walker.walk(bytes);
        if self.walker.is_stopped() {
            self.walker.skip(bytes.get(walked.bytes..).unwrap_or_default());
        }
        self.budget.frames = self.budget.frames.saturating_sub(walked.frames);
        self.budget.bytes = self.budget.bytes.saturating_sub(read);
        *self.alive |= read > 0;
        if walked.bytes == 0 && read > 0 {
            // `Ok(0)` would mean the end of the stream.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(walked.bytes)
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<S> Write for Adapter<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.encoded(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
