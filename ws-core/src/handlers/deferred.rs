//! [`Reply`]: the reply of a call, which may be sent after the handler has returned.
//!
//! The handler may fail while another task sends or drops its `Reply`. [`Call`] decides which of
//! them answers the call, so that the client gets one answer. [`Replier`] encodes the reply; it
//! borrows from the call.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use super::{Input, IntoReply, Param, Replier, Takes, param::read_for_each_callback};
use crate::{
    caught::{caught, drop_caught},
    connection::{Connection, Stop, TaskMark, Waiter},
    envelope::{OwnedRaw, Raw, ReplyTo},
    error::Error,
    recovery::{Answer, ErrorHandlers, Phase, Scene, Verdict},
    request::{ParamError, Setup},
    wire::{Message, SendError},
};

/// The reply of a call, as a parameter of a handler. It can be sent from any task, even after the
/// handler has returned.
///
/// The handlers of a connection run one after another, so a slow handler delays the next messages.
/// A handler that takes `Reply` can move the work into a task of its connection
/// ([`Connection::spawn`]) and return at once. It returns `()` or `Result`. At most one parameter
/// is a `Reply`, and only in `#[on_event]` and `#[on_unknown]`.
///
/// The future of the task is `'static`: clone the connection and the fields that it uses. A
/// parameter `Connection` by value is such a clone.
///
/// # A reply that is not sent
/// Dropping the reply ends the call. If the call had a `ref`, the client gets the event `end`. If a
/// panic dropped the reply, or it was dropped while it was being sent, the client gets the error
/// `internal`. If it is dropped before the handler has returned, an error of the handler is the
/// answer instead. An error of a handler whose reply was sent before is logged, and nothing else is
/// sent.
///
/// A reply that is dropped in a task of its connection waits for the outcome of the task. If the
/// task returns an error, the error is the answer, as if the handler had returned it: `?` in front
/// of [`send`](Self::send) works as in a handler. If the task returns `Ok`, the call ends with
/// `end`, and if it panics, with `internal`. If several replies are dropped in one task, one gets
/// the error and the others `internal`. Only a task that was started after the call had arrived
/// counts; a reply that an older one drops, such as a worker of the connection, ends the call at
/// once. To end a call while its task goes on, send `()`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Db;
///
/// #[derive(Deserialize)]
/// struct Query {
///     year: u32,
/// }
///
/// #[derive(Serialize)]
/// struct Report {
///     lines: u32,
/// }
///
/// impl Db {
///     async fn report(&self, query: Query) -> Result<Report> {
///         Ok(Report { lines: query.year })
///     }
/// }
///
/// struct Reports {
///     db: Db,
/// }
///
/// #[ws_handlers]
/// impl Reports {
///     /// Runs beside the next messages.
///     #[on_event("report")]
///     async fn report(
///         &self,
///         conn: &Connection,
///         reply: Reply,
///         Data(query): Data<Query>,
///     ) -> Result {
///         let db = self.db.clone();
///         conn.spawn(async move { reply.send(db.report(query).await.map(Data)).await })?;
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
/// # let app = App::without_registry().route(Route::new("/", Reports { db: Db }));
/// # let app = TestApp::start(app).await;
/// # let mut client = app.connect("/").await.unwrap();
/// # client.send_text(r#"{"event":"report","data":{"year":3},"ref":7}"#).await;
/// # let reply = client.next_text().await.unwrap();
/// # assert_eq!(reply, r#"{"event":"report","data":{"lines":3},"ref":7}"#);
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a reply that is dropped ends the call"]
pub struct Reply {
    conn: Connection,
    call: Arc<Call>,
    /// The time at which the reply was made. It does not wait for tasks that are older.
    since: TaskMark,
    progress: Progress,
}

/// The progress of a [`Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    /// This reply answers the call, and the answer is not complete.
    Sending,
    Done,
}

impl Reply {
    pub(super) fn new(conn: &Connection, call: &Arc<Call>) -> Self {
        Self {
            conn: conn.clone(),
            call: Arc::clone(call),
            since: TaskMark::now(),
            progress: Progress::Waiting,
        }
    }

    /// Makes the reply of a call with the `ref` 1, whose handler has returned.
    #[cfg(feature = "testing")]
    pub(crate) fn of_test(conn: &Connection, event: &str) -> Self {
        let reference = serde_json::value::to_raw_value(&1).ok();
        let call = Arc::new(Call::new(event, reference.as_deref().map(Raw::Json)));
        call.return_handler();
        Self::new(conn, &call)
    }

    /// Sends the reply. It accepts the types that a handler returns ([`IntoReply`]). `Data(value)`
    /// is sent under the event of the call, and [`Event`](super::Event) under its own name.
    /// [`Stream`](super::Stream) sends each item and then `end`. `()` and `None` send only `end`.
    ///
    /// Unlike the return value of a handler, the type is not checked against the event: `reply = T`
    /// of the event's type does not apply, and a text without an envelope (`&str`, `String`,
    /// [`Json`](super::Json)) compiles. Such a text is sent as it is, has no `ref`, and is followed
    /// by `end`. Write `Data(value)` to answer the call.
    ///
    /// `Err(error)` is handled like an error that a handler returns, with the phase
    /// [`Message`](crate::recovery::Phase::Message). If no error handler handles it, the client
    /// gets an error event. If the error has a close code, the connection is closed instead. `send`
    /// still returns `Ok`.
    ///
    /// Waits for room in the outbox. If the future is dropped before it is ready, the client gets
    /// the error `internal`. If the handler has already returned an error, that error is the
    /// answer, and nothing is sent.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the connection is closing or closed.
    // Not an `async fn`, because the compiler cannot show that its future is `Send` for every
    // lifetime of an error such as `&'static str`.
    #[allow(clippy::manual_async_fn, reason = "the bound `Send` must be written")]
    pub fn send(mut self, reply: impl IntoReply) -> impl Future<Output = Result<(), SendError>> + Send {
        async move { self.answer(reply).await }
    }

    async fn answer(&mut self, reply: impl IntoReply) -> Result<(), SendError> {
        if !self.claim() {
            tracing::debug!(
                event = self.call.event(),
                "a reply was not sent, because its handler has failed"
            );
            return Ok(());
        }
        self.answer_claimed(reply).await
    }

    /// Takes the right to answer the call. Returns false if the handler has it.
    fn claim(&mut self) -> bool {
        let is_claimed = self.call.claim();
        self.progress = if is_claimed { Progress::Sending } else { Progress::Done };
        is_claimed
    }

    async fn answer_claimed(&mut self, reply: impl IntoReply) -> Result<(), SendError> {
        let replier = Replier::of_call(&self.conn, &self.call);
        let result = replier.reply(reply).await;
        let result = match result {
            Ok(()) => Ok(()),
            // Boxed, because errors are rare.
            Err(error) => Box::pin(fail(&self.conn, self.call.event(), error)).await,
        };
        self.progress = Progress::Done;
        result
    }

    /// Makes the error event for a reply that was dropped before it was complete.
    fn incomplete(&self) -> Result<Message, SendError> {
        let call = ReplyTo::new(self.conn.format(), self.call.reference());
        Error::new("the reply was dropped").as_event(&call)
    }

    /// Sends a message without waiting for room. A closed connection needs no message, and a full
    /// outbox closes it.
    fn push(&self, message: Result<Message, SendError>) {
        if let Ok(message) = message {
            let _ = self.conn.push(message);
        }
    }

    /// Lets the call wait for the outcome of the current task. Returns false if the current task is
    /// not one of the connection, or is older than the call.
    fn wait_for_task(&self) -> bool {
        self.conn.leave_in_task(self.since, || {
            let (conn, call) = (self.conn.clone(), Arc::clone(&self.call));
            Box::new(Self { conn, call, since: self.since, progress: self.progress })
        })
    }
}

impl Waiter for Reply {
    fn fail(mut self: Box<Self>, error: Error) -> Pin<Box<dyn Future<Output = Option<Error>> + Send>> {
        Box::pin(async move {
            if !self.claim() {
                return Some(error);
            }
            // Fails only if the connection has ended.
            let _ = self.answer_claimed(Err::<(), _>(error)).await;
            None
        })
    }

    fn give_up(mut self: Box<Self>) {
        // The drop of an answer that was begun sends the error `internal`.
        self.claim();
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        match self.progress {
            Progress::Done => {}
            Progress::Sending => self.push(self.incomplete()),
            Progress::Waiting if std::thread::panicking() && self.call.claim() => {
                self.push(self.incomplete());
            }
            Progress::Waiting if self.wait_for_task() => {}
            Progress::Waiting => {
                if self.call.drop_reply()
                    && let Some(end) = Replier::of_call(&self.conn, &self.call).end()
                {
                    self.push(end);
                }
            }
        }
    }
}

/// Calls the error handlers and applies the verdict, as the session does for an error of a handler.
async fn fail(conn: &Connection, event: &str, mut error: Error) -> Result<(), SendError> {
    let closed = || SendError::Closed { connection: conn.id() };
    if conn.is_ended_by(&error) {
        drop_caught("an error", error);
        return Err(closed());
    }
    let scene = Scene::on(conn, Phase::Message);
    let answering = caught(ErrorHandlers::answer_on(conn, &mut error, &scene));
    let answer = match conn.limits().handler_timeout {
        Some(deadline) => tokio::time::timeout(deadline, answering).await.unwrap_or_default(),
        None => answering.await,
    };
    let code = answer.as_ref().and_then(Answer::event_code).unwrap_or(error.event_code());
    conn.counters().events.named(event).count_code(code);
    let verdict = Verdict::on(&error, conn, Phase::Message, answer);
    drop_caught("an error", error);
    match verdict {
        Verdict::Nothing => Ok(()),
        Verdict::Reply(message) => conn.send(message).await,
        Verdict::Close { frame, reason } => conn.outbox().stop(Stop::Close { frame, reason }),
    }
}

/// The state of a call whose handler has taken the [`Reply`]. The handler and the reply share it.
#[derive(Debug)]
pub(super) struct Call {
    event: Box<str>,
    reference: Option<OwnedRaw>,
    /// The events below that have happened, as bits.
    state: AtomicU8,
}

/// The answer has begun.
const CLAIMED: u8 = 1;
/// The handler has returned without an error.
const RETURNED: u8 = 2;
/// The reply was dropped.
const DROPPED: u8 = 4;

impl Call {
    pub(super) fn new(event: &str, reference: Option<Raw<'_>>) -> Self {
        Self { event: event.into(), reference: reference.map(Raw::to_owned), state: AtomicU8::new(0) }
    }

    pub(super) fn event(&self) -> &str {
        &self.event
    }

    pub(super) fn reference(&self) -> Option<Raw<'_>> {
        self.reference.as_ref().map(OwnedRaw::borrow)
    }

    /// Claims the right to answer the call. Returns false if it was claimed before.
    pub(super) fn claim(&self) -> bool {
        self.add(CLAIMED) & CLAIMED == 0
    }

    /// Records that the handler has returned without an error. Returns whether the caller must end
    /// the call, because the reply was dropped before.
    pub(super) fn return_handler(&self) -> bool {
        self.add(RETURNED) & (CLAIMED | DROPPED) == DROPPED
    }

    /// Records that the reply was dropped. Returns whether the caller must end the call, because
    /// the handler has returned before.
    fn drop_reply(&self) -> bool {
        self.add(DROPPED) & (CLAIMED | RETURNED) == RETURNED
    }

    /// Adds an event and returns the previous state. The state is the only shared data, so no
    /// ordering of other memory is needed.
    fn add(&self, event: u8) -> u8 {
        self.state.fetch_or(event, Ordering::Relaxed)
    }
}

read_for_each_callback! {
    Reply, takes Reply: |input| input.defer();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_and_the_reply_answer_a_call_once_in_any_order() {
        let handler: [fn(&Call) -> bool; 2] = [Call::return_handler, Call::claim];
        let reply: [fn(&Call) -> bool; 2] = [Call::drop_reply, Call::claim];
        for (returned, handler) in handler.into_iter().enumerate() {
            for (sent, reply) in reply.into_iter().enumerate() {
                for order in [[handler, reply], [reply, handler]] {
                    let call = Call::new("event", None);
                    let answers = order.map(|ends| ends(&call));
                    let count = answers.into_iter().filter(|answers| *answers).count();
                    assert_eq!(count, 1, "{returned} {sent} {answers:?}");
                }
            }
        }
    }
}
