//! [`Reply`]: the reply of a call, which may be sent after the handler has returned.
//!
//! The handler may fail while another task sends or drops its `Reply`. [`Call`] decides which of
//! them answers the call, so that the client gets one answer. [`Replier`] encodes the reply; it
//! borrows from the call.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use super::{Input, IntoReply, Param, Replier, Takes, param::read_for_each_callback};
use crate::{
    caught::{caught, drop_caught},
    connection::{Connection, Stop},
    envelope::{OwnedRaw, Raw, ReplyTo},
    error::Error,
    recovery::{ErrorHandlers, Phase, Scene, Verdict},
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
/// Dropping the reply ends the call. If the call had a `ref`, the client gets the event `end`. If a
/// panic dropped the reply, or it was dropped while it was being sent, the client gets the error
/// `internal`. If it is dropped before the handler has returned, an error of the handler is the
/// answer instead. An error of a handler whose reply was sent before is logged, and nothing else is
/// sent.
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
///     async fn report(&self, conn: &Connection, reply: Reply, Data(query): Data<Query>) -> Result {
///         let db = self.db.clone();
///         conn.spawn(async move { reply.send(db.report(query).await.map(Data)).await })?;
///         Ok(())
///     }
/// }
///
/// # use ws_core::{Route, testing::TestApp};
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
        Self { conn: conn.clone(), call: Arc::clone(call), progress: Progress::Waiting }
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
    /// `Err(error)` is handled like an error that a handler returns, with the phase
    /// [`Message`](crate::recovery::Phase::Message). If no error handler handles it, the client
    /// gets an error event. If the error has a close code, the connection is closed instead. `send`
    /// still returns `Ok`.
    ///
    /// Waits for room in the outbox. If the future is dropped before it is ready, the client gets
    /// the error `internal`. If the handler has returned an error before, the client has that
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
        if !self.call.claim() {
            tracing::debug!(
                event = self.call.event(),
                "a reply was not sent, because its handler has failed"
            );
            self.progress = Progress::Done;
            return Ok(());
        }
        self.progress = Progress::Sending;
        let replier = Replier::of_call(&self.conn, &self.call);
        let result = replier.reply(reply).await;
        let result = match result {
            Ok(()) => Ok(()),
            // Boxed, because errors are rare.
            Err(error) => Box::pin(fail(&self.conn, error)).await,
        };
        self.progress = Progress::Done;
        result
    }

    /// Makes the error event for a reply that was dropped before it was complete.
    fn incomplete(&self) -> Result<Message, SendError> {
        let call = ReplyTo::new(self.conn.format(), self.call.reference());
        Error::new("the reply was dropped").as_event(&call)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let has_failed = match self.progress {
            Progress::Done => return,
            Progress::Sending => true,
            Progress::Waiting => std::thread::panicking() && self.call.claim(),
        };
        let message = if has_failed {
            Some(self.incomplete())
        } else if self.call.drop_reply() {
            Replier::of_call(&self.conn, &self.call).end()
        } else {
            None
        };
        if let Some(Ok(message)) = message {
            // A drop cannot wait for room. A closed connection needs no `end`, and a full outbox
            // closes the connection.
            let _ = self.conn.push(message);
        }
    }
}

/// Calls the error handlers and applies the verdict, as the session does for an error of a handler.
async fn fail(conn: &Connection, mut error: Error) -> Result<(), SendError> {
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
    fn the_handler_and_the_reply_answer_a_call_once_in_whatever_order_they_end() {
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
