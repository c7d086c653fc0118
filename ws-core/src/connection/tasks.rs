//! Tasks of a connection: futures that run on the runtime beside its callbacks.
//!
//! [`Tasks`] counts them and can abort them; it owns no heap memory while there are none. The
//! session waits for them when the connection ends, for a bounded time, and then aborts the rest.
//! No task outlives the call of `on_close`.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
};

use tokio::task::AbortHandle;
use tracing::Instrument as _;

use super::{Connection, Stop};
use crate::{
    caught::{caught, drop_caught},
    error::{Error, Result},
    sync::Mutex,
    wire::{CloseFrame, CloseReason, SpawnError},
};

impl Connection {
    /// Runs a future as a task of this connection, beside its callbacks: the next message is
    /// handled while it runs. Any task that holds a connection may call this.
    ///
    /// The future returns `()` or `Result<(), E>`. An error is logged. A panic closes the connection
    /// with 1011, as the panic of a callback does. A task has no deadline while the connection is
    /// open; `heartbeat.idle` applies as if it did not run.
    ///
    /// A task ends with its connection. When the connection begins to close, or the client has
    /// closed it, its tasks have `limits.close_timeout` to finish, and `on_close` waits for them.
    /// After that, and when the drain cuts the connection, they are aborted at their next await,
    /// before `on_close` is called. If the client closed the connection, messages can still be
    /// pushed in this time. A task without an end must watch [`closed`](Self::closed); otherwise
    /// each close takes that long:
    ///
    /// ```
    /// use tokio::sync::broadcast;
    /// use ws_core::prelude::*;
    ///
    /// struct Ticker {
    ///     prices: broadcast::Sender<u32>,
    /// }
    ///
    /// async fn watch(conn: Connection, mut prices: broadcast::Receiver<u32>) -> Result {
    ///     loop {
    ///         tokio::select! {
    ///             () = conn.closed() => return Ok(()),
    ///             price = prices.recv() => conn.event("price", &price?)?,
    ///         }
    ///     }
    /// }
    ///
    /// #[ws_handlers]
    /// impl Ticker {
    ///     #[on_open]
    ///     async fn open(&self, conn: &Connection) -> Result {
    ///         conn.spawn(watch(conn.clone(), self.prices.subscribe()))?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # use ws_core::{Route, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let prices = broadcast::Sender::new(8);
    /// # let route = Route::new("/", Ticker { prices: prices.clone() });
    /// # let app = TestApp::start(App::without_registry().route(route)).await;
    /// # let mut client = app.connect("/").await.unwrap();
    /// # while prices.receiver_count() == 0 {
    /// #     tokio::task::yield_now().await;
    /// # }
    /// # prices.send(7).unwrap();
    /// # assert_eq!(client.next_event::<u32>("price").await.unwrap(), 7);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SpawnError::TooMany`] beyond `limits.tasks`, [`SpawnError::Closed`] when the connection is
    /// closing or closed. The future is dropped then.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, as `tokio::spawn` does.
    pub fn spawn<F>(&self, task: F) -> Result<(), SpawnError>
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        let slot = self.reserve()?;
        let id = slot.id;
        // Not under the lock: a runtime that stops drops the future at once.
        let handle = self.live().spawn(run(slot, task).instrument(self.span()));
        self.tasks().started(id, handle);
        Ok(())
    }

    fn reserve(&self) -> Result<Slot, SpawnError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let closed = SpawnError::Closed { connection: self.id() };
        if !self.is_open() {
            return Err(closed);
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.tasks().reserve(id, self.limits().tasks, closed)?;
        Ok(Slot { conn: self.clone(), id })
    }
}

/// The output of a task of a connection: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "a task of a connection returns `()` or `Result<(), E>`",
    label = "the output of this future is `{Self}`",
    note = "a loop without an end must return when `Connection::closed` is ready"
)]
pub trait TaskOutput {
    #[doc(hidden)]
    fn into_result(self) -> Result;
}

impl TaskOutput for () {
    fn into_result(self) -> Result {
        Ok(())
    }
}

impl<E: Into<Error>> TaskOutput for Result<(), E> {
    fn into_result(self) -> Result {
        self.map_err(Into::into)
    }
}

async fn run<F: Future<Output: TaskOutput>>(slot: Slot, task: F) {
    let conn = &slot.conn;
    // In this block, a panic unwinds through the values of the task, whatever future it is.
    match caught(async { task.await.into_result() }).await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            if conn.is_ended_by(&error) {
                tracing::debug!(%error, "a task ended with its connection");
            } else {
                tracing::error!(%error, "a task of a connection failed");
            }
            drop_caught("an error", error);
        }
        None => {
            tracing::error!("a task of a connection panicked");
            // Fails only if there is an earlier request to close, which has precedence.
            let stop = Stop::Close { frame: CloseFrame::internal(), reason: CloseReason::Panic };
            let _ = conn.outbox().stop(stop);
        }
    }
}

/// The place of a task among those of its connection. It becomes free when the task has ended,
/// after the future was dropped.
struct Slot {
    conn: Connection,
    id: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.conn.tasks().leave(self.id);
    }
}

/// The tasks of one connection.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// No task runs.
    #[default]
    Idle,
    Busy(Box<Busy>),
    /// The tasks were aborted, and no further one is started.
    Ended,
}

#[derive(Debug, Default)]
struct Busy {
    tasks: Vec<Task>,
    /// The session task, once it waits for the tasks.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Task {
    id: u64,
    /// `None` until the runtime has it.
    handle: Option<AbortHandle>,
}

impl Tasks {
    fn reserve(&self, id: u64, limit: usize, closed: SpawnError) -> Result<(), SpawnError> {
        let mut state = self.0.lock();
        if matches!(*state, State::Idle) {
            *state = State::Busy(Box::default());
        }
        match &mut *state {
            State::Busy(busy) if busy.tasks.len() < limit => {
                busy.tasks.push(Task { id, handle: None });
                Ok(())
            }
            State::Busy(_) => Err(SpawnError::TooMany { limit }),
            State::Idle | State::Ended => Err(closed),
        }
    }

    /// Stores the handle of a task that may have ended meanwhile.
    fn started(&self, id: u64, handle: AbortHandle) {
        let mut state = self.0.lock();
        match &mut *state {
            State::Busy(busy) => {
                if let Some(task) = busy.tasks.iter_mut().find(|task| task.id == id) {
                    task.handle = Some(handle);
                }
            }
            State::Idle => {}
            State::Ended => {
                drop(state);
                handle.abort();
            }
        }
    }

    fn leave(&self, id: u64) {
        let mut state = self.0.lock();
        let State::Busy(busy) = &mut *state else { return };
        busy.tasks.retain(|task| task.id != id);
        if !busy.tasks.is_empty() {
            return;
        }
        let waker = busy.waker.take();
        *state = State::Idle;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when no task runs. Otherwise, the last task wakes the caller when it ends.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        match &mut *self.0.lock() {
            State::Busy(busy) => {
                busy.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            State::Idle | State::Ended => Poll::Ready(()),
        }
    }

    /// Aborts all tasks. No further one is started.
    pub(crate) fn end(&self) {
        let ended = std::mem::replace(&mut *self.0.lock(), State::Ended);
        if let State::Busy(busy) = ended {
            tracing::warn!(
                tasks = busy.tasks.len(),
                "tasks did not end with their connection and are aborted"
            );
            busy.tasks.into_iter().filter_map(|task| task.handle).for_each(|handle| handle.abort());
        }
    }
}
