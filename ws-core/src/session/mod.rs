//! The session: the one task that serves a connection, from the flushed 101 until the socket is
//! dropped.
//!
//! [`serve`] calls `on_open`, then the callbacks for events one after another, then `on_close`
//! exactly once. [`driver`] reads, writes and keeps the timers, also while a callback runs.
//! [`rescue`] decides whether a connection stays open after its callback failed.
//!
//! A panic or an error in user code must end at most its own connection. This module must not use
//! HTTP beyond the finished [`Handshake`](crate::Handshake).

mod callbacks;
mod driver;
mod erased;
mod inbox;
mod rate;
mod rescue;
#[cfg(test)]
mod slow_readers;
mod timers;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tracing::{Instrument as _, Span};

pub(crate) use self::erased::ErasedController;
pub use self::erased::{Erased, erase};
use self::{
    callbacks::Rare,
    driver::{Automatic, Completion, Driver},
    inbox::Event,
    rescue::Rescue,
};
use crate::{
    caught::{Fragile, caught, first_poll},
    config::{Heartbeat, OverRate},
    connection::Connection,
    controller::Controller,
    error::Result,
    handlers::{Callback, CallbackKind, InterceptorFuture, intercepted, rate_limited},
    hub::Entry,
    recovery::Phase,
    socket::{ByteStream, Deflate, SizeLimits, Socket},
    wire::{CloseReason, Message},
};

/// The inputs of a session besides its transport and its controller.
pub(crate) struct Life {
    /// The connection's entry in the hub.
    pub(crate) entry: Entry,
    /// Bytes that were read behind the handshake.
    pub(crate) prefix: Bytes,
    pub(crate) heartbeat: Arc<Heartbeat>,
    /// The compression of messages, if it was negotiated.
    pub(crate) deflate: Option<Box<Deflate>>,
    /// Dropped after the socket.
    pub(crate) permit: Box<dyn Send>,
}

/// A stage of a stream: its handshake, or its session. It returns the next stage. The session is
/// the last one, and completes when the socket is dropped.
pub(crate) type StreamFuture = Pin<Box<dyn Future<Output = Option<Next>> + Send>>;

/// The next stage of a stream.
pub(crate) struct Next(pub(crate) StreamFuture);

/// Serves one connection until its socket is dropped.
///
/// Only this function is compiled for each controller, so it contains only the calls of
/// `on_message`. Memory per idle connection matters: state that is rarely used is boxed, and the
/// `async` block captures the arguments instead of holding a second copy. Handling a message boxes
/// nothing.
pub(crate) fn serve<C, S>(
    controller: Arc<C>,
    transport: S,
    life: Life,
) -> impl Future<Output = Option<Next>> + Send
where
    C: Controller,
    S: ByteStream + Send,
{
    let Life { entry, prefix, heartbeat, deflate, permit } = life;
    let conn = entry.connection().clone();
    let automatic = Automatic {
        pings: C::__typed().is_some_and(|typed| typed.answers_ping),
        refusals: C::__typed().is_some() && conn.limits().over_rate == OverRate::Refuse,
    };
    let socket = Socket::new(transport, prefix, SizeLimits::from(conn.limits())).with_deflate(deflate);
    let mut session = Session {
        on_close: OnClose { entry: Some(entry), controller: controller.clone(), is_called: false },
        driver: Driver::new(socket, conn.clone(), heartbeat, automatic),
        _permit: permit,
    };
    async move {
        let callback = pin!(None);
        let mut callback = Fragile::new(callback);
        let around = callbacks::around_messages::<C>(&conn);
        let mut stays_open = Box::pin(session.open()).await;
        while stays_open {
            let stop = poll_fn(|cx| {
                let call = |message| callbacks::message(&*controller, &conn, around, message);
                session.poll_messages(cx, callback.slot(), call)
            })
            .await;
            stays_open = Box::pin(session.resume(stop)).await;
        }
        Box::pin(session.close()).await;
        None
    }
}

/// Runs a session in its span. A span that is disabled costs nothing.
pub(crate) fn in_span(session: StreamFuture, span: Span) -> StreamFuture {
    if span.is_disabled() { session } else { Box::pin(session.instrument(span)) }
}

/// The reason why [`Session::poll_messages`] stops.
enum Break {
    /// An event that is not a message to handle.
    Event(Event),
    /// The callback of a message failed.
    Failed(Completion),
    /// The connection has ended, and all earlier messages are handled.
    End,
}

/// A session without the type of its controller.
///
/// The futures of its methods are boxed by the caller, so that an idle connection has no room for
/// them.
// The order keeps together the fields that each wake-up touches, because a delivery to many
// sleeping connections is bound by cache misses. They are the last fields of the driver.
#[repr(C)]
struct Session<S> {
    on_close: OnClose,
    driver: Driver<S>,
    /// Dropped last.
    _permit: Box<dyn Send>,
}

impl<S: ByteStream> Session<S> {
    fn parts(&self) -> (Arc<dyn Rare>, Connection) {
        (Arc::clone(&self.on_close.controller), self.driver.conn().clone())
    }

    /// Messages wait until `on_open` has finished. Returns false if the connection ends.
    async fn open(&mut self) -> bool {
        let (controller, conn) = self.parts();
        self.run(Phase::Open, CallbackKind::Open, controller.open(&conn), &conn).await
    }

    /// Handles one message after another. `call` makes the future of a message's callback, which is
    /// in the slot while it waits.
    fn poll_messages<F: Future<Output = Result> + Send>(
        &mut self,
        cx: &mut Context<'_>,
        mut callback: Pin<&mut Option<F>>,
        call: impl Fn(Message) -> F,
    ) -> Poll<Break> {
        if callback.is_some() {
            match ready!(self.driver.poll_callback(cx, callback.as_mut())) {
                Completion::Returned(Ok(())) => {}
                failed => return Poll::Ready(Break::Failed(failed)),
            }
        }
        loop {
            let message = match ready!(self.driver.poll_next(cx)) {
                Some(Event::Message(message)) => message,
                Some(event) => return Poll::Ready(Break::Event(event)),
                None => return Poll::Ready(Break::End),
            };
            let deadline = self.driver.handler_deadline();
            match first_poll(callback.as_mut(), || call(message), cx) {
                // This check is the only work between two successful messages.
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(failed) => return Poll::Ready(Break::Failed(failed.into())),
                Poll::Pending => {
                    self.driver.begin_callback(deadline);
                    return self.driver.poll_beside(cx, callback).map(Break::Failed);
                }
            }
        }
    }

    /// Handles the reason why [`Session::poll_messages`] stopped. Returns false if the connection
    /// ends.
    async fn resume(&mut self, stop: Break) -> bool {
        let (controller, conn) = self.parts();
        let callback = match stop {
            Break::End => return false,
            Break::Failed(outcome) => return self.settle(Phase::Message, outcome, &conn).await,
            Break::Event(Event::Message(message) | Event::Refused(message)) => {
                let refused = Completion::Returned(Err(rate_limited(&conn, &message)));
                return self.settle(Phase::Message, refused, &conn).await;
            }
            Break::Event(Event::Ping(payload)) => controller.ping(&conn, payload),
            Break::Event(Event::Pong(payload)) => controller.pong(&conn, payload),
        };
        self.run(Phase::Message, CallbackKind::Control, callback, &conn).await
    }

    async fn close(&mut self) {
        // The tasks of the connection have a bounded time to finish.
        let (controller, conn) = self.parts();
        self.driver.finish_tasks().await;
        conn.tasks().end();

        // `on_close` runs while the close frame is being sent.
        let reason = self.driver.reason().cloned().unwrap_or(CloseReason::Aborted);
        tracing::debug!(?reason, code = reason.code(), "connection ended");
        conn.live().journal().closed(&conn, &reason);
        self.driver.record_end(&reason);
        self.on_close.is_called = true;
        self.run(Phase::Close, CallbackKind::Close, controller.close(&conn, reason), &conn).await;
        self.driver.finish().await;
        if let Some(entry) = &mut self.on_close.entry {
            entry.ended(self.driver.ending());
        }
    }

    /// Runs a rare callback inside the interceptors of the route. Returns false if the connection
    /// ends.
    async fn run(
        &mut self,
        phase: Phase,
        kind: CallbackKind<'_>,
        callback: InterceptorFuture<'_>,
        conn: &Connection,
    ) -> bool {
        let callback = pin!(Some(intercepted(Callback::new(conn, kind), callback)));
        let outcome = self.driver.run(callback, deadline(phase, conn)).await;
        self.settle(phase, outcome, conn).await
    }

    async fn settle(&mut self, phase: Phase, outcome: Completion, conn: &Connection) -> bool {
        let rescue = Rescue { conn, deadline: deadline(phase, conn) };
        rescue.settle(&mut self.driver, phase, outcome).await
    }
}

/// The time that a callback and an error handler have.
fn deadline(phase: Phase, conn: &Connection) -> Option<Duration> {
    let limits = conn.limits();
    if phase == Phase::Close { Some(limits.close_timeout) } else { limits.handler_timeout }
}

/// A guard that spawns `on_close` if the session task is aborted before it calls `on_close`.
struct OnClose {
    /// `None` once the guard has acted.
    entry: Option<Entry>,
    controller: Arc<dyn Rare>,
    /// Whether the session task itself has begun to call `on_close`.
    is_called: bool,
}

impl Drop for OnClose {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take().filter(|_| !self.is_called) else { return };
        entry.connection().outbox().shut();
        entry.connection().tasks().end();
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let controller = Arc::clone(&self.controller);
        let deadline = entry.connection().limits().close_timeout;
        let live = entry.live().clone();
        let on_close = async move {
            let conn = entry.connection();
            let callback = controller.close(conn, CloseReason::Aborted);
            let closed = caught(intercepted(Callback::new(conn, CallbackKind::Close), callback));
            match tokio::time::timeout(deadline, closed).await {
                Ok(Some(Ok(()))) => {}
                Ok(None) => tracing::error!("on_close panicked"),
                Ok(Some(Err(error))) => tracing::error!(%error, "on_close failed"),
                Err(_) => tracing::error!("on_close took longer than the close deadline"),
            }
        };
        live.spawn(on_close.instrument(Span::current()));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Poll},
    };

    use tokio::{
        io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
        time::timeout,
    };

    use super::*;
    use crate::{config::Limits, hub::Live, request::Handshake};

    pub(super) fn life(live: &Arc<Live>) -> Life {
        life_with(Limits::default(), live)
    }

    fn life_with(limits: Limits, live: &Arc<Live>) -> Life {
        let (parts, ()) = http::Request::new(()).into_parts();
        let handshake = Handshake::new(parts, "ws".into(), None);
        let conn = Connection::new(handshake, &Arc::new(limits), Arc::clone(live), None);
        Life {
            entry: live.enter(conn),
            prefix: bytes::Bytes::new(),
            heartbeat: Arc::default(),
            deflate: None,
            permit: Box::new(()),
        }
    }

    struct Stuck(tokio::sync::mpsc::UnboundedSender<Option<CloseReason>>);

    impl Controller for Stuck {
        async fn on_open(&self, conn: &Connection) -> crate::error::Result {
            conn.join("lobby")?;
            conn.identify("jerry")?;
            self.0.send(None)?;
            std::future::pending().await
        }

        async fn on_close(&self, _: &Connection, reason: CloseReason) -> crate::error::Result {
            Ok(self.0.send(Some(reason))?)
        }
    }

    #[tokio::test]
    async fn on_close_runs_once_and_the_hub_is_left_even_if_the_task_is_aborted() {
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let live = Arc::new(Live::default());
        let life = life(&live);
        let conn = life.entry.connection();
        let (lobby, hub) = (conn.room("lobby"), conn.hub());
        let (near, _far) = tokio::io::duplex(64);
        let task = tokio::spawn(serve(Arc::new(Stuck(sender)), near, life));
        assert_eq!(seen.recv().await, Some(None), "on_open began");
        assert_eq!((live.len(), lobby.count_local(), hub.user("jerry").count_local()), (1, 1, 1));
        task.abort();
        assert_eq!(seen.recv().await, Some(Some(CloseReason::Aborted)));
        assert_eq!(seen.recv().await, None, "once");
        live.wait().await;
        assert_eq!((live.len(), lobby.count_local(), hub.user("jerry").count_local()), (0, 0, 0));
    }

    /// Starts a task that never ends.
    struct Spawns(tokio::sync::mpsc::UnboundedSender<&'static str>);

    impl Controller for Spawns {
        async fn on_open(&self, conn: &Connection) -> crate::error::Result {
            struct Guard(tokio::sync::mpsc::UnboundedSender<&'static str>);
            impl Drop for Guard {
                fn drop(&mut self) {
                    let _ = self.0.send("dropped");
                }
            }
            let (guard, own) = (Guard(self.0.clone()), conn.clone());
            conn.spawn(async move {
                let _kept = (guard, own);
                std::future::pending::<()>().await;
            })?;
            Ok(self.0.send("spawned")?)
        }

        async fn on_close(&self, conn: &Connection, _: CloseReason) -> crate::error::Result {
            assert!(conn.spawn(async {}).is_err());
            Ok(self.0.send("closed")?)
        }
    }

    #[tokio::test]
    async fn tasks_are_aborted_with_the_session_task() {
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let live = Arc::new(Live::default());
        let (near, _far) = tokio::io::duplex(64);
        let task = tokio::spawn(serve(Arc::new(Spawns(sender)), near, life(&live)));
        assert_eq!(seen.recv().await, Some("spawned"));
        task.abort();
        let mut rest = [seen.recv().await, seen.recv().await];
        rest.sort();
        assert_eq!(rest, [Some("closed"), Some("dropped")]);
        assert_eq!(seen.recv().await, None);
        live.wait().await;
    }

    /// A peer that sends empty texts without end and reads everything.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let frame = [0x81, 0x80, 0, 0, 0, 0];
            while into.remaining() >= frame.len() {
                into.put_slice(&frame);
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl ByteStream for Endless {}

    impl ByteStream for tokio::io::DuplexStream {}

    /// Counts messages, and echoes each if `answers` is set.
    struct Counting {
        messages: Arc<AtomicUsize>,
        answers: bool,
    }

    impl Controller for Counting {
        async fn on_message(&self, conn: &Connection, message: Message) -> crate::error::Result {
            assert!(self.messages.fetch_add(1, Ordering::Relaxed) < 1 << 20, "one poll has no end");
            if self.answers { Ok(conn.send(message).await?) } else { Ok(()) }
        }
    }

    /// Returns how often the task of an echo was woken by itself while it answered these messages.
    async fn own_wakes(limits: Limits, is_delayed: bool, messages: usize) -> usize {
        struct Echo {
            delay: Option<Arc<tokio::sync::Semaphore>>,
        }

        impl Controller for Echo {
            async fn on_message(&self, conn: &Connection, message: Message) -> crate::error::Result {
                if let Some(delay) = &self.delay {
                    delay.acquire().await?.forget();
                }
                Ok(conn.push(message)?)
            }
        }

        #[derive(Default)]
        struct Woken(AtomicUsize);

        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let (near, mut far) = tokio::io::duplex(4096);
        let life = life_with(limits, &Arc::new(Live::default()));
        let delay = is_delayed.then(|| Arc::new(tokio::sync::Semaphore::new(0)));
        let mut serving = pin!(serve(Arc::new(Echo { delay: delay.clone() }), near, life));
        let woken = Arc::new(Woken::default());
        let waker = std::task::Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(serving.as_mut().poll(&mut cx).is_pending());
        far.write_all(&[0x81, 0x80, 0, 0, 0, 0].repeat(messages)).await.unwrap();
        tokio::task::yield_now().await;
        let before = woken.0.load(Ordering::Relaxed);
        assert!(serving.as_mut().poll(&mut cx).is_pending());
        for answered in 0..if is_delayed { messages } else { 0 } {
            // Renews the budget of the test's task.
            tokio::task::yield_now().await;
            delay.iter().for_each(|delay| delay.add_permits(1));
            assert!(serving.as_mut().poll(&mut cx).is_pending(), "{answered}");
        }
        let wakes = woken.0.load(Ordering::Relaxed) - before;
        let mut answers = vec![0; 2 * messages];
        far.read_exact(&mut answers).await.unwrap();
        assert_eq!(answers, [0x81, 0].repeat(messages));
        if is_delayed { wakes - messages } else { wakes }
    }

    #[tokio::test]
    async fn messages_pushed_by_a_callback_do_not_wake_its_own_task_and_fit_a_small_outbox() {
        for outbox_messages in [1, 2, 256] {
            for is_delayed in [false, true] {
                let limits = Limits { outbox_messages, ..Limits::default() };
                let own_wakes = own_wakes(limits, is_delayed, 20);
                let wakes = timeout(Duration::from_secs(5), own_wakes).await.expect("all is answered");
                assert_eq!(wakes, 0, "{outbox_messages} messages, delayed: {is_delayed}");
            }
        }
    }

    #[tokio::test]
    async fn one_poll_handles_a_bounded_number_of_messages_whether_they_are_answered_or_not() {
        for answers in [false, true] {
            let live = Arc::new(Live::default());
            let messages = Arc::new(AtomicUsize::new(0));
            let controller = Counting { messages: Arc::clone(&messages), answers };
            let mut serving = pin!(serve(Arc::new(controller), Endless, life(&live)));
            for poll in 1..=3 {
                let polled = std::future::poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
                assert!(polled.is_pending());
                let messages = messages.load(Ordering::Relaxed);
                assert!((1..=poll * 1024).contains(&messages), "{messages} after {poll} polls");
            }
        }
    }
}
