//! Writes header names as the RFCs do: `Sec-WebSocket-Accept`, not `sec-websocket-accept`.
//!
//! Header names are case-insensitive (RFC 9110 section 5.1), but some devices compare them byte by
//! byte. hyper writes them in lower case. [`NamesWriter`] stands between hyper and the stream and
//! changes the names in the head of a handshake. It changes letter case only, so that the length
//! stays the same.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The words of header names that have other capital letters than the first one.
const WORDS: [&str; 13] =
    ["WebSocket", "WWW", "ETag", "TE", "DNT", "NEL", "MD5", "XSS", "DNS", "UA", "CH", "CT", "GPC"];

/// Changes the names in a head: words in [`WORDS`] are written as listed there, all other words get
/// a capital first letter.
fn capitalise(head: &mut [u8]) {
    // The first line is the request line or the status line.
    for line in head.split_mut(|byte| *byte == b'\n').skip(1) {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some(name) = colon.and_then(|end| line.get_mut(..end)) else { return };
        for word in name.split_mut(|byte| *byte == b'-') {
            match WORDS.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(word)) {
                Some(known) => word.copy_from_slice(known.as_bytes()),
                None => word.iter_mut().take(1).for_each(|first| first.make_ascii_uppercase()),
            }
        }
    }
}

/// A stream that changes the names in the last head that is written to it.
pub(crate) struct NamesWriter<S> {
    stream: S,
    /// While it is set, written bytes are held back until the flush. The head is at their end.
    is_on: Arc<AtomicBool>,
    /// The first bytes of the head.
    start: &'static [u8],
    held: Vec<u8>,
    /// The number of bytes of `held` that are written to the stream.
    written: usize,
}

impl<S> NamesWriter<S> {
    /// Makes a writer for the request of a client.
    #[cfg(feature = "client")]
    pub(crate) fn of_request(stream: S) -> Self {
        Self::new(stream, Arc::new(AtomicBool::new(true)), b"GET ")
    }

    /// Makes a writer for a 101. After `is_on` is set, the 101 must be the only head that is
    /// written.
    pub(crate) fn of_switch(stream: S, is_on: Arc<AtomicBool>) -> Self {
        Self::new(stream, is_on, b"HTTP/1.1 101 ")
    }

    fn new(stream: S, is_on: Arc<AtomicBool>, start: &'static [u8]) -> Self {
        Self { stream, is_on, start, held: Vec::new(), written: 0 }
    }

    /// Returns the stream. Flush before.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Changes the names in the held head. The end of an earlier response may precede the head.
    fn change(&mut self) {
        let is_start = |window: &[u8]| window == self.start;
        let at = match self.held.starts_with(self.start) {
            true => Some(0),
            false => self.held.windows(self.start.len()).rposition(is_start),
        };
        if let Some(head) = at.and_then(|at| self.held.get_mut(at..)) {
            capitalise(head);
        }
    }
}

impl<S: AsyncWrite + Unpin> NamesWriter<S> {
    fn poll_write_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.written == 0 {
            self.change();
        }
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        (self.held, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for NamesWriter<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for NamesWriter<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.is_on.load(Ordering::Relaxed) {
            return Pin::new(&mut this.stream).poll_write(cx, bytes);
        }
        this.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.is_on.load(Ordering::Relaxed) {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        }
        let before = this.held.len();
        slices.iter().for_each(|slice| this.held.extend_from_slice(slice));
        Poll::Ready(Ok(this.held.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty() {
            ready!(this.poll_write_held(cx))?;
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HEAD: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nsec-websocket-accept: a: b-c\r\n\
                        www-authenticate: x\r\netag: \"e\"\r\nx-my-app2: websocket\r\n-: \r\n2x: y\r\n\r\nte: body\n";
    const WRITTEN: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nSec-WebSocket-Accept: a: b-c\r\n\
                           WWW-Authenticate: x\r\nETag: \"e\"\r\nX-My-App2: websocket\r\n-: \r\n2x: y\r\n\r\nte: body\n";

    #[test]
    fn only_the_case_of_known_names_is_changed() {
        let mut head = HEAD.as_bytes().to_vec();
        capitalise(&mut head);
        assert_eq!(String::from_utf8(head).unwrap(), WRITTEN);
        for odd in ["", "\n", "GET / HTTP/1.1", "a\nb", "a\n:", "a\n\n"] {
            let mut bytes = odd.as_bytes().to_vec();
            capitalise(&mut bytes);
            assert_eq!(bytes, odd.as_bytes(), "{odd:?}");
        }
    }

    #[tokio::test]
    async fn only_the_last_head_is_changed_also_with_short_writes() {
        let earlier = "HTTP/1.1 200 OK\r\nconnection: x\r\n\r\nHTTP/1.1 101 \r\nte: x\r\n\r\n";
        for on_from in [0, 20, earlier.len()] {
            let (near, mut far) = tokio::io::duplex(7);
            let is_on = Arc::new(AtomicBool::new(false));
            let mut writer = NamesWriter::of_switch(near, Arc::clone(&is_on));
            let write = async move {
                writer.write_all(&earlier.as_bytes()[..on_from]).await.unwrap();
                is_on.store(true, Ordering::Relaxed);
                let rest = [&earlier.as_bytes()[on_from..], HEAD.as_bytes()];
                let slices = rest.map(IoSlice::new);
                let length = writer.write_vectored(&slices).await.unwrap();
                assert_eq!(length, rest.concat().len(), "all of it is held back");
                writer.flush().await.unwrap();
            };
            let mut read = String::new();
            let (_, length) = tokio::join!(write, far.read_to_string(&mut read));
            assert_eq!((length.unwrap(), &*read), (read.len(), &*format!("{earlier}{WRITTEN}")), "{on_from}");
        }
    }
}
