//! A transport in memory: the server's end is a stream, the client's end answers inside its writes.
//!
//! So a member costs no task, and what a connection takes is almost all the server's.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

use super::member::{Member, Seen};
use crate::load::connect;

/// The counts of all members.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    /// Notified when something that may be waited for has changed.
    changed: Notify,
}

/// The members that have got so far, and the frames that they have received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) opened: usize,
    pub(crate) failed: usize,
    pub(crate) seen: Seen,
    /// The number of messages, and of texts, at which the waiting task is notified.
    goals: [u64; 2],
}

impl Tally {
    pub(crate) fn now(&self) -> Counts {
        *self.counts()
    }

    /// Waits until so many members are open.
    pub(crate) async fn opened(&self, members: usize) {
        while self.counts().opened < members {
            self.changed.notified().await;
        }
    }

    /// Waits until so many messages have arrived.
    pub(crate) async fn messages(&self, goal: u64) {
        self.counts().goals[0] = goal;
        while self.counts().seen.messages < goal {
            self.changed.notified().await;
        }
    }

    /// Waits until so many texts have arrived.
    pub(crate) async fn answers(&self, goal: u64) {
        self.counts().goals[1] = goal;
        while self.counts().seen.answers < goal {
            self.changed.notified().await;
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's end.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Mutex<State>>);

/// The server's end.
#[derive(Debug)]
pub(crate) struct Wire {
    state: Client,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct State {
    /// The bytes for the server, and the number of them that it has read.
    inbound: Vec<u8>,
    read: usize,
    reader: Option<Waker>,
    /// The response of the handshake, until it is complete.
    head: Option<Vec<u8>>,
    member: Member,
}

impl Wire {
    /// The memory that a wire takes, in bytes, without what the allocator adds.
    pub(crate) const BYTES: usize = size_of::<State>() + 2 * size_of::<usize>() + size_of::<Self>();

    /// A connection whose client has sent this request, and gets the messages from this number on.
    pub(crate) fn new(request: &[u8], next: u32, tally: &Arc<Tally>) -> (Self, Client) {
        let (head, member) = (Some(Vec::new()), Member::new(next));
        let state = State { inbound: request.to_vec(), head, member, ..State::default() };
        let client = Client(Arc::new(Mutex::new(state)));
        (Self { state: client.clone(), tally: Arc::clone(tally) }, client)
    }
}

impl Client {
    /// Sends bytes to the server.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.inbound.extend_from_slice(bytes);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Checks what the server has written; whether the handshake is over with it.
    fn receive(&mut self, bytes: &[u8], answers: &mut Vec<u8>, seen: &mut Seen) -> anyhow::Result<bool> {
        let Some(head) = &mut self.head else {
            self.member.receive(bytes, answers, seen)?;
            return Ok(false);
        };
        head.extend_from_slice(bytes);
        let Some(len) = connect::head_len(head)? else { return Ok(false) };
        let head = self.head.take().unwrap_or_default();
        self.member.receive(&head[len..], answers, seen)?;
        Ok(true)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.state();
        let rest = &state.inbound[state.read..];
        if rest.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        state.read += count;
        if state.read == state.inbound.len() {
            // An idle connection keeps no memory.
            (state.inbound, state.read) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut answers = Vec::new();
        let result = {
            let mut counts = self.tally.counts();
            let result = self.state.state().receive(bytes, &mut answers, &mut counts.seen);
            counts.opened += usize::from(matches!(result, Ok(true)));
            let reached = [counts.seen.messages, counts.seen.answers];
            if reached[0] == counts.goals[0] || reached[1] == counts.goals[1] || matches!(result, Ok(true)) {
                self.tally.changed.notify_one();
            }
            result
        };
        if let Err(error) = result {
            eprintln!("a member failed: {error:#}");
            self.tally.counts().failed += 1;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !answers.is_empty() {
            self.state.send(&answers);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
