//! Tasks of a connection: futures that run on the runtime beside its callbacks.
//!
//! [`Tasks`] counts them and can abort them; it owns no heap memory while there are none. The
//! session waits for them when the connection ends, for a bounded time, and then aborts the rest.
//! A [`Waiter`] that was left in a task is called with the error of the task.

use std::{
    fmt::Debug,
    pin::Pin,
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
    /// The future returns `()` or `Result<(), E>`. An error is logged. If the task has dropped the
    /// [`Reply`](crate::handlers::Reply) of a call without sending it, the error is the answer of
    /// that call instead, so `?` works as in a handler. A panic closes the connection with 1011, as
    /// the panic of a callback does. A task has no deadline while the connection is open;
    /// `heartbeat.idle` applies as if it did not run.
    ///
    /// The future is `'static`, so it borrows neither the connection nor the controller: clone the
    /// connection and the fields that it uses. A handler may take `Connection` by value, which is
    /// such a clone.
    ///
    /// When the connection begins to close, or the client has closed it, its tasks have
    /// `limits.close_timeout` to finish, and `on_close` waits for them. After that, and when the
    /// drain cuts the connection, they are asked to abort before `on_close` is called. A task is
    /// aborted when it awaits next, and its future may be dropped while `on_close` already runs. If
    /// the client closed the connection, messages can still be pushed until then. A task without an
    /// end must watch [`closed`](Self::closed); otherwise each close takes that long:
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
    /// # #[cfg(not(feature = "testing"))]
    /// # fn main() {}
    /// # #[cfg(feature = "testing")]
    /// # use ws_core::{Route, testing::TestApp};
    /// # #[cfg(feature = "testing")]
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
        let closed = SpawnError::Closed { connection: self.id() };
        if !self.is_open() {
            return Err(closed);
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.tasks().reserve(id, self.limits().tasks, closed)?;
        Ok(Slot { conn: self.clone(), id })
    }

    /// Leaves a waiter in the current task, if that is a task of this connection which was started
    /// after `since`. Returns false otherwise; the waiter is not made then.
    ///
    /// An older task may run as long as its connection, so nothing waits for it.
    pub(crate) fn leave_in_task(&self, since: TaskMark, waiter: impl FnOnce() -> Box<dyn Waiter>) -> bool {
        CURRENT.try_with(|id| *id).is_ok_and(|id| id >= since.0 && self.tasks().add_waiter(id, waiter))
    }
}

/// The id of the next task of any connection.
static NEXT: AtomicU64 = AtomicU64::new(1);

tokio::task_local! {
    /// The id of the task of a connection that is polled or dropped now.
    static CURRENT: u64;
}

/// A point in time, between the starts of two tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskMark(u64);

impl TaskMark {
    pub(crate) fn now() -> Self {
        Self(NEXT.load(Ordering::Relaxed))
    }
}

/// A value that waits for the outcome of a task. It is dropped if the task has returned `Ok` or was
/// aborted.
pub(crate) trait Waiter: Debug + Send {
    /// Handles the error of the task, or returns it.
    fn fail(self: Box<Self>, error: Error) -> Pin<Box<dyn Future<Output = Option<Error>> + Send>>;

    /// Called if the task has panicked, or if another waiter has handled its error.
    fn give_up(self: Box<Self>);
}

/// The output of a task of a connection: `()` or `Result<(), E>`.
///
/// ```
/// use ws_core::{Connection, error::SpawnError};
///
/// fn start(conn: &Connection) -> Result<(), SpawnError> {
///     conn.spawn(async { println!("no result") })?;
///     conn.spawn(async { tokio::fs::write("seen", "").await })
/// }
/// ```
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
    let task = CURRENT.scope(slot.id, async { task.await.into_result() });
    let outcome = match caught(task).await {
        Some(Ok(())) => return,
        // Boxed, because few tasks fail.
        Some(Err(error)) => caught(Box::pin(fail(&slot, error))).await,
        None => None,
    };
    if outcome.is_none() {
        tracing::error!("a task of a connection panicked");
        conn.tasks().take_waiters(slot.id).into_iter().for_each(Waiter::give_up);
        // Fails only if there is an earlier request to close, which has precedence.
        let stop = Stop::Close { frame: CloseFrame::internal(), reason: CloseReason::Panic };
        let _ = conn.outbox().stop(stop);
    }
}

/// Passes the error of a task to the first waiter that handles it; logs it if there is none.
async fn fail(slot: &Slot, error: Error) {
    let conn = &slot.conn;
    let mut error = Some(error);
    for waiter in conn.tasks().take_waiters(slot.id) {
        match error.take() {
            Some(unhandled) => error = waiter.fail(unhandled).await,
            None => waiter.give_up(),
        }
    }
    let Some(error) = error else { return };
    if conn.is_ended_by(&error) {
        tracing::debug!(%error, "a task ended with its connection");
    } else {
        tracing::error!(%error, "a task of a connection failed");
    }
    drop_caught("an error", error);
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
    waiters: Vec<Box<dyn Waiter>>,
}

impl Busy {
    fn task(&mut self, id: u64) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }
}

impl Tasks {
    fn reserve(&self, id: u64, limit: usize, closed: SpawnError) -> Result<(), SpawnError> {
        let mut state = self.0.lock();
        if matches!(*state, State::Idle) {
            *state = State::Busy(Box::default());
        }
        match &mut *state {
            State::Busy(busy) if busy.tasks.len() < limit => {
                busy.tasks.push(Task { id, handle: None, waiters: Vec::new() });
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
                if let Some(task) = busy.task(id) {
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

    /// Returns false if this task is not one of the connection, or was aborted.
    fn add_waiter(&self, id: u64, waiter: impl FnOnce() -> Box<dyn Waiter>) -> bool {
        let mut state = self.0.lock();
        let State::Busy(busy) = &mut *state else { return false };
        let Some(task) = busy.task(id) else { return false };
        task.waiters.push(waiter());
        true
    }

    fn take_waiters(&self, id: u64) -> Vec<Box<dyn Waiter>> {
        let mut state = self.0.lock();
        let State::Busy(busy) = &mut *state else { return Vec::new() };
        busy.task(id).map(|task| std::mem::take(&mut task.waiters)).unwrap_or_default()
    }

    fn leave(&self, id: u64) {
        // Dropped first, because a waiter that is dropped sends, which must not be under the lock.
        drop(self.take_waiters(id));
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
