//! Reads the first request head of a stream, before hyper is set up.
//!
//! An incomplete head takes only the memory of its own bytes: hyper and its buffers are set up only
//! when the head is complete. This module only looks for the end of the head; hyper parses it.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, sleep_until},
};

use super::{Arrival, Lifecycle, Stage};
use crate::config::Limits;

/// The size of one read, in bytes. The buffer is on the stack.
const READ_BYTES: usize = 4 << 10;

/// Reads until the head is complete, is certain to be refused, or the stream ends. Returns `None`
/// if the stream must be dropped: the head was not complete in time, its place was given to another
/// stream, reading failed, or the application is being cut.
///
/// The bytes are empty if the peer ended the stream, or the server stops, before the first byte.
pub(super) async fn first_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    arrival: &Arrival,
    limits: &Limits,
    lifecycle: &Lifecycle,
) -> Option<Bytes> {
    let mut head = Vec::new();
    let mut overdue = pin!(overdue(arrival, limits));
    // While the server closes, a head that has begun may still be completed.
    let mut stop = Stage::Closing;
    loop {
        tokio::select! {
            biased;
            read = poll_fn(|cx| poll_read(stream, cx, &mut head, limits.head)) => match read {
                Ok(0) => return Some(head.into()),
                Ok(read) if is_decided(&head, read, limits.head) => return Some(head.into()),
                Ok(_) => {}
                Err(_) => return None,
            },
            () = &mut overdue => return None,
            () = lifecycle.reached(stop) => {
                if head.is_empty() {
                    return Some(Bytes::new());
                }
                if stop == Stage::Cutting {
                    return None;
                }
                stop = Stage::Cutting;
            }
        }
    }
}

/// Waits for the deadline, or until the stream's place is given to another stream. The deadline
/// counts from accept; for a stream inside the process it counts from this call.
async fn overdue(arrival: &Arrival, limits: &Limits) {
    match arrival.pending.deadline() {
        Some(_) => arrival.pending.overdue().await,
        None => sleep_until(Instant::now() + limits.handshake_timeout).await,
    }
}

/// Appends the bytes that were received, and returns their number; 0 at the end of the stream.
fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    head: &mut Vec<u8>,
    limit: usize,
) -> Poll<io::Result<usize>> {
    let mut room = [MaybeUninit::uninit(); READ_BYTES];
    let most = READ_BYTES.min(limit.saturating_sub(head.len()));
    let mut read = ReadBuf::uninit(room.get_mut(..most).unwrap_or_default());
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    head.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

/// Returns whether hyper can answer this head. The last `new` bytes were not checked before. A head
/// is complete at its first empty line, invalid if it has a control character other than tab, CR
/// and LF, and too large at the limit.
fn is_decided(head: &[u8], new: usize, limit: usize) -> bool {
    if head.len() >= limit {
        return true;
    }
    let seen = head.len().saturating_sub(new);
    let fresh = head.get(seen..).unwrap_or_default();
    if fresh.iter().any(|byte| byte.is_ascii_control() && !b"\t\r\n".contains(byte)) {
        return true;
    }
    // Empty lines before the head do not end it.
    let start = head.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(head.len());
    let lines = head.get(start.max(seen.saturating_sub(3))..).unwrap_or_default();
    lines.windows(2).any(|it| it == b"\n\n") || lines.windows(3).any(|it| it == b"\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the position at which the head is decided if the bytes arrive one by one.
    fn decided_at(bytes: &[u8]) -> Option<usize> {
        (1..=bytes.len()).find(|end| is_decided(&bytes[..*end], 1, 100))
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_in_any_pieces() {
        let cases: [(&[u8], Option<usize>); 10] = [
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\nmore", Some(24)),
            (b"GET / HTTP/1.1\nA: b\n\nmore", Some(21)),
            (b"GET / HTTP/1.1\r\nA: b\n\r\nmore", Some(23)),
            (b"\r\n\r\n\nGET / HTTP/1.1\r\n\r\nmore", Some(23)),
            (b"GET / HTTP/1.1\r\nA: b\r\n", None),
            (b"\r\n\r\n\r\n\n\n", None),
            (b"GET / HTTP/1.1\r\r\n\r\r", None),
            (b"GET /\ta\xe9", None),
            (b"\x16\x03\x01", Some(1)),
            (b"GET / HTTP/1.1\r\nA: \x7f", Some(20)),
        ];
        for (bytes, expected) in cases {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(decided_at(bytes), expected, "{shown:?}");
            assert_eq!(is_decided(bytes, bytes.len(), 100), expected.is_some(), "{shown:?} at once");
        }
        assert_eq!(decided_at(&[b'x'; 200]), Some(100), "too large");
    }
}
