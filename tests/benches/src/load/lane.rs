//! One open connection of the load generator.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use anyhow::{Context as _, bail, ensure};
use mio::{Interest, Poll, Token};

use super::frames::Ring;

/// The size of the read buffer.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// A stream, and its positions in the sent and the received bytes.
pub(crate) struct Lane {
    stream: mio::net::TcpStream,
    sent: u64,
    received: u64,
}

impl Lane {
    /// Registers an open connection.
    pub(crate) fn new(poll: &Poll, index: usize, stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, sent: 0, received: 0 })
    }

    /// Sends until this number of frames was sent since the connection opened, or the socket is
    /// full.
    pub(crate) fn send_up_to(&mut self, frames: u64, requests: &Ring) -> anyhow::Result<()> {
        let goal = frames * requests.frame_len();
        while self.sent < goal {
            match self.stream.write(requests.at(self.sent, goal - self.sent)) {
                Ok(count) => self.sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("sending failed"),
            }
        }
        Ok(())
    }

    /// Reads and checks the bytes that have arrived. Returns the number of completed frames.
    pub(crate) fn receive(&mut self, replies: &Ring, buffer: &mut [u8]) -> anyhow::Result<u64> {
        let before = self.received_frames(replies);
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("receiving failed"),
            };
            ensure!(
                replies.matches(self.received, &buffer[..count]),
                "the received bytes differ from the expected ones, at byte {} or after it",
                self.received
            );
            self.received += count as u64;
            // A short read has emptied the socket. Later bytes cause a new event (epoll(7)).
            if count < buffer.len() {
                break;
            }
        }
        Ok(self.received_frames(replies) - before)
    }

    /// Returns the number of frames that were received since the connection opened.
    pub(crate) fn received_frames(&self, replies: &Ring) -> u64 {
        self.received / replies.frame_len()
    }
}
