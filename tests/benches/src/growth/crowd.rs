//! Many members over sockets: one thread, epoll, and as little memory as possible for each.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Socket, Type};

use super::member::{self, ALLOCATED, JOIN, Member, Seen};
use crate::{
    load::{
        connect,
        echo::{EVENTS, TICK},
    },
    process::Endpoint,
};

/// Connections that are being opened at the same time.
pub(crate) const OPENING: usize = 64;

/// Connections of one client address: fewer than there are ephemeral ports.
const OF_AN_ADDRESS: usize = 5000;

/// Without any progress for so long, something was lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The size of the read buffer.
const READ_BYTES: usize = 16 << 10;

/// The members, and what they have received.
pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    lanes: Vec<Lane>,
    request: Vec<u8>,
    server: SocketAddr,
    buffer: Vec<u8>,
    pub(super) seen: Seen,
    /// The messages that were sent to all, and the number of deliveries that they need.
    published: u32,
    pub(super) expected: u64,
    opened: usize,
    ended: usize,
}

struct Lane {
    stream: TcpStream,
    stage: Stage,
    member: Member,
    /// The response of the handshake, while it is incomplete.
    head: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    ShakingHands,
    Open,
    Ended,
}

impl Crowd {
    pub(super) fn new(server: &Endpoint) -> anyhow::Result<Self> {
        let path = server.path.as_deref().context("the server speaks no WebSocket")?;
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            lanes: Vec::new(),
            request: connect::request(server.address, path),
            server: server.address,
            buffer: vec![0; READ_BYTES],
            seen: Seen::default(),
            published: 0,
            expected: 0,
            opened: 0,
            ended: 0,
        })
    }

    /// Opens connections until there are so many.
    pub(super) fn open(&mut self, connections: usize) -> anyhow::Result<()> {
        self.until("a handshake", |crowd| {
            while crowd.lanes.len() < connections && crowd.lanes.len() < crowd.opened + OPENING {
                let token = Token(crowd.lanes.len());
                let mut stream = connecting(crowd.server, token.0 / OF_AN_ADDRESS)?;
                crowd.poll.registry().register(
                    &mut stream,
                    token,
                    Interest::READABLE | Interest::WRITABLE,
                )?;
                let member = Member::new(crowd.published);
                crowd.lanes.push(Lane { stream, stage: Stage::Connecting, member, head: Vec::new() });
            }
            Ok(crowd.opened == connections)
        })
    }

    /// Answers pings for so long.
    pub(super) fn idle(&mut self, time: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.turn()?;
        }
        Ok(())
    }

    /// Lets the first member send a message, and waits until all members have it.
    pub(super) fn broadcast(&mut self) -> anyhow::Result<()> {
        self.send(&member::publish(self.published))?;
        self.published += 1;
        self.expected += self.lanes.len() as u64;
        self.until("a message", |crowd| Ok(crowd.seen.messages >= crowd.expected))
    }

    /// The bytes that the node has allocated; `None` if it does not count them.
    pub(super) fn allocated(&mut self) -> anyhow::Result<Option<u64>> {
        let answers = self.seen.answers + 1;
        self.send(&member::ask(ALLOCATED))?;
        self.until("an answer", |crowd| Ok(crowd.seen.answers == answers))?;
        Ok(self.seen.answer)
    }

    /// Lets the first members join the room.
    pub(super) fn join(&mut self, members: usize) -> anyhow::Result<()> {
        let answers = self.seen.answers + members as u64;
        for lane in self.lanes.iter_mut().take(members) {
            write(&mut lane.stream, &member::ask(JOIN))?;
        }
        self.until("an answer", |crowd| Ok(crowd.seen.answers == answers))
    }

    /// Lets the first member send a message to the room of so many, and waits until they have it. No
    /// message to all may follow.
    pub(super) fn tell_room(&mut self, members: usize) -> anyhow::Result<()> {
        self.send(&member::publish_to_room(self.published))?;
        self.published += 1;
        self.expected += members as u64;
        self.until("a message", |crowd| Ok(crowd.seen.messages >= crowd.expected))
    }

    /// Waits until the server has closed all connections; each with a close frame.
    pub(super) fn ended(&mut self) -> anyhow::Result<()> {
        self.until("a close frame", |crowd| Ok(crowd.ended == crowd.lanes.len()))?;
        let closed = self.seen.closes;
        ensure!(closed == self.lanes.len() as u64, "{closed} of {} had a close frame", self.lanes.len());
        Ok(())
    }

    /// Sends something short as the first member.
    fn send(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let lane = self.lanes.first_mut().context("nobody is connected")?;
        write(&mut lane.stream, frame)
    }

    fn until(
        &mut self,
        awaited: &str,
        mut is_done: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut progress = Instant::now();
        while !is_done(self)? {
            if self.turn()? {
                progress = Instant::now();
            }
            ensure!(
                progress.elapsed() < PATIENCE,
                "{awaited} is missing: {} of {} are open, {:?}",
                self.opened - self.ended,
                self.lanes.len(),
                self.seen
            );
        }
        Ok(())
    }

    /// Handles all events that are there; waits for [`TICK`] if there are none. Whether there were
    /// some.
    fn turn(&mut self) -> anyhow::Result<bool> {
        let Self { poll, events, lanes, request, buffer, seen, opened, ended, .. } = self;
        poll.poll(events, Some(TICK))?;
        for event in &*events {
            let lane = &mut lanes[event.token().0];
            let before = lane.stage;
            lane.advance(request, buffer, seen).with_context(|| format!("connection {}", event.token().0))?;
            let was_open = matches!(before, Stage::Open | Stage::Ended);
            *opened += usize::from(!was_open && matches!(lane.stage, Stage::Open | Stage::Ended));
            if before != Stage::Ended && lane.stage == Stage::Ended {
                *ended += 1;
                poll.registry().deregister(&mut lane.stream)?;
            }
        }
        Ok(!events.is_empty())
    }
}

impl Lane {
    fn advance(&mut self, request: &[u8], buffer: &mut [u8], seen: &mut Seen) -> anyhow::Result<()> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error).context("no connection");
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            write(&mut self.stream, request)?;
            self.stage = Stage::ShakingHands;
        }
        while self.stage != Stage::Ended {
            let count = match self.stream.read(buffer) {
                Ok(0) => {
                    ensure!(self.stage == Stage::Open, "the server closed during the handshake");
                    self.stage = Stage::Ended;
                    return Ok(());
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("receiving failed"),
            };
            self.receive(&buffer[..count], seen)?;
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], seen: &mut Seen) -> anyhow::Result<()> {
        let mut answers = Vec::new();
        if self.stage == Stage::Open {
            self.member.receive(bytes, &mut answers, seen)?;
        } else {
            self.head.extend_from_slice(bytes);
            let Some(len) = connect::head_len(&self.head)? else { return Ok(()) };
            let head = std::mem::take(&mut self.head);
            self.member.receive(&head[len..], &mut answers, seen)?;
            self.stage = Stage::Open;
        }
        if answers.is_empty() { Ok(()) } else { write(&mut self.stream, &answers) }
    }
}

/// A socket that is being connected from one of several client addresses.
fn connecting(server: SocketAddr, address: usize) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let address = Ipv4Addr::new(127, 0, 1, u8::try_from(address + 1)?);
    socket.bind(&SocketAddr::from((address, 0)).into()).context("no port is left")?;
    match socket.connect(&server.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) => {}
        Err(error) => return Err(error).context("no connection"),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Writes something short. The peer reads, so the socket has room for it.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> anyhow::Result<()> {
    let count = stream.write(bytes).context("sending failed")?;
    if count < bytes.len() {
        bail!("a socket took only {count} of {} bytes", bytes.len());
    }
    Ok(())
}
