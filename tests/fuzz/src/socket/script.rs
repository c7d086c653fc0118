//! A transport that follows a script, and an executor that polls only tasks that were woken.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_core::fuzzing::{Received, Socket};

/// The input of one connection.
pub(super) struct Run {
    pub(super) stream: Vec<u8>,
    /// The limit of messages and of frames, in bytes.
    pub(super) limit: usize,
    /// The seed of the cuts; `None` for one piece.
    pub(super) seed: Option<u64>,
}

/// The output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) received: Vec<Received>,
    pub(super) written: Vec<u8>,
}

/// Runs all connections to their end, in turns.
pub(super) fn run_all(runs: Vec<Run>) -> Vec<Outcome> {
    let mut served: Vec<Served> = runs.into_iter().map(Served::new).collect();
    while served.iter().any(|one| !one.is_done()) {
        served.iter_mut().filter(|one| !one.is_done()).for_each(Served::turn);
    }
    served
        .into_iter()
        .map(|one| Outcome { received: one.received, written: one.script.lock().written.clone() })
        .collect()
}

struct Served {
    socket: Socket<Shared>,
    script: Shared,
    received: Vec<Received>,
    woken: Arc<Flag>,
    polls: usize,
    most_polls: usize,
    flushed: bool,
}

impl Served {
    fn new(run: Run) -> Self {
        let mut chance = run.seed.map(Chance);
        let prefix = match &mut chance {
            Some(chance) => chance.below(run.stream.len() + 1),
            None => 0,
        };
        let (prefix, rest) = run.stream.split_at(prefix);
        let pieces = cut(rest, &mut chance);
        // One for each piece and for the gap after it, one for each frame, one for each time the
        // budget of a poll is spent, and some for the end.
        let most_polls = 2 * pieces.len() + run.stream.len() / 2 + run.stream.len() / 1024 + 8;
        let script = Shared::new(Script { pieces, chance, ..Script::default() });
        let socket = Socket::new(script.clone(), Bytes::copy_from_slice(prefix), run.limit, run.limit);
        Self {
            socket,
            script,
            received: Vec::new(),
            woken: Arc::default(),
            polls: 0,
            most_polls,
            flushed: false,
        }
    }

    fn has_ended(&self) -> bool {
        self.received.last().is_some_and(Received::is_last)
    }

    fn is_done(&self) -> bool {
        self.has_ended() && self.flushed
    }

    /// Polls once, like the task of a connection.
    fn turn(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        if !self.has_ended() {
            self.polls += 1;
            assert!(self.polls <= self.most_polls, "{} polls", self.polls);
            if let Poll::Ready(received) = self.socket.poll_read(&mut cx) {
                self.received.push(received);
                return;
            }
        }
        match self.socket.poll_flush(&mut cx) {
            Poll::Ready(result) => {
                result.expect("the script accepts everything");
                self.flushed = self.has_ended();
            }
            Poll::Pending => {}
        }
        if self.is_done() || self.woken.0.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut script = self.script.lock();
        let waiting = script.reader.take().into_iter().chain(script.writer.take()).collect::<Vec<_>>();
        drop(script);
        assert!(!waiting.is_empty(), "it sleeps without a wake-up: {:?}", self.received);
        waiting.iter().for_each(Waker::wake_by_ref);
        assert!(self.woken.0.swap(false, Ordering::SeqCst), "another task was woken");
    }
}

fn cut(stream: &[u8], chance: &mut Option<Chance>) -> VecDeque<Vec<u8>> {
    let Some(chance) = chance else { return VecDeque::from([stream.to_vec()]) };
    let mut pieces = VecDeque::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let most = [1, 2, 3, 7, 64, 5000, usize::MAX][chance.below(7)];
        let (piece, behind) = rest.split_at(most.min(rest.len()));
        pieces.push_back(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// Repeatable random numbers.
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Script {
    pieces: VecDeque<Vec<u8>>,
    /// A piece has ended, and the next one has not arrived yet.
    is_pending: bool,
    written: Vec<u8>,
    /// Limits the bytes of one write; `None` accepts all.
    chance: Option<Chance>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The script, which the test reads while the socket owns the transport.
#[derive(Clone)]
struct Shared(Arc<std::sync::Mutex<Script>>);

impl Shared {
    fn new(script: Script) -> Self {
        Self(Arc::new(std::sync::Mutex::new(script)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().expect("no code panics under the lock")
    }
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut script = self.lock();
        if std::mem::take(&mut script.is_pending) {
            script.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        // The stream ends after the last piece.
        let Some(mut piece) = script.pieces.pop_front() else { return Poll::Ready(Ok(())) };
        let fits = piece.len().min(into.remaining());
        into.put_slice(&piece[..fits]);
        if fits < piece.len() {
            script.pieces.push_front(piece.split_off(fits));
        } else {
            script.is_pending = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut script = self.lock();
        let room = match &mut script.chance {
            Some(chance) => [0, 1, 5, 200][chance.below(4)],
            None => usize::MAX,
        };
        if room == 0 {
            script.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = room.min(bytes.len());
        script.written.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
