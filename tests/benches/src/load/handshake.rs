//! Connections that are opened, closed with a close frame, and opened again. An item is one of
//! them.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use anyhow::{Context as _, ensure};
use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};

use super::{
    Sample,
    connect::{self, MAX_HEAD_BYTES},
    echo::{EVENTS, TICK},
    frames::{self, CLOSE},
    stopwatch::Stopwatch,
};
use crate::process::Endpoint;

/// Close code 1000: normal closure.
const NORMAL: [u8; 2] = 1000u16.to_be_bytes();

pub(super) fn run(server: &Endpoint, at_once: usize, mut stopwatch: Stopwatch<'_>) -> anyhow::Result<Sample> {
    let path = server.path.as_deref().context("the server does not support WebSocket")?;
    let script = Script {
        server: server.address,
        request: connect::request(server.address, path),
        close: frames::from_client(CLOSE, &NORMAL),
        close_reply: frames::from_server(CLOSE, &NORMAL),
    };
    let mut poll = Poll::new()?;
    let mut visits = Vec::with_capacity(at_once);
    for index in 0..at_once {
        visits.push(Visit::begin(&script, poll.registry(), Token(index))?);
    }
    let mut events = Events::with_capacity(EVENTS);
    stopwatch.begin();
    loop {
        poll.poll(&mut events, Some(TICK))?;
        let mut through = 0;
        for event in &events {
            let visit = &mut visits[event.token().0];
            if visit.advance(&script)? {
                poll.registry().deregister(&mut visit.stream)?;
                *visit = Visit::begin(&script, poll.registry(), event.token())?;
                through += 1;
            }
        }
        if let Some(sample) = stopwatch.tick(through)? {
            return Ok(sample);
        }
    }
}

/// The address and the bytes of every visit.
struct Script {
    server: SocketAddr,
    request: Vec<u8>,
    close: Vec<u8>,
    close_reply: Vec<u8>,
}

/// One connection from its SYN to the server's close frame.
struct Visit {
    stream: TcpStream,
    stage: Stage,
    received: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    ShakingHands,
    Closing,
}

impl Visit {
    fn begin(script: &Script, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(script.server).context("no connection")?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, stage: Stage::Connecting, received: Vec::with_capacity(MAX_HEAD_BYTES) })
    }

    /// Advances as far as possible. Returns true once the server has answered the close frame.
    fn advance(&mut self, script: &Script) -> anyhow::Result<bool> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error).context("no connection");
            }
            if self.stream.peer_addr().is_err() {
                return Ok(false);
            }
            self.stream.set_nodelay(true)?;
            self.say(&script.request)?;
            self.stage = Stage::ShakingHands;
        }
        let has_ended = self.read()?;
        if self.stage == Stage::ShakingHands
            && let Some(len) = connect::head_len(&self.received)?
        {
            self.received.drain(..len);
            self.say(&script.close)?;
            self.stage = Stage::Closing;
        }
        if self.stage == Stage::Closing && self.received.len() >= script.close_reply.len() {
            ensure!(
                self.received == script.close_reply,
                "the close frame was answered by {:?}",
                self.received
            );
            return Ok(true);
        }
        ensure!(!has_ended, "the server closed before it answered");
        Ok(false)
    }

    /// Sends a few bytes. A new socket has room for them.
    fn say(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let count = self.stream.write(bytes).context("sending failed")?;
        ensure!(count == bytes.len(), "a new socket took only {count} bytes");
        Ok(())
    }

    /// Reads the bytes that have arrived. Returns true at the end of the stream.
    fn read(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; MAX_HEAD_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => self.received.extend(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("receiving failed"),
            }
        }
    }
}
