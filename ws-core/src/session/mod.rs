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
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;
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
    caught::{Slot, caught, first_poll},
    config::{Heartbeat, Limits, OverRate},
    connection::Connection,
    controller::Controller,
    error::Result,
    handlers::{Callback, CallbackKind, InterceptorFuture, intercepted, rate_limited},
    hub::Entry,
    recovery::Phase,
    socket::{ByteStream, SizeLimits, Socket},
    wire::CloseReason,
};

/// The inputs of a session besides its transport and its controller.
pub(crate) struct Life {
    /// The span of the session's log lines.
    pub(crate) span: Span,
    /// The connection's entry in the hub.
    pub(crate) entry: Entry,
    /// Bytes that were read behind the handshake.
    pub(crate) prefix: Bytes,
    /// The limits of the route.
    pub(crate) limits: Arc<Limits>,
    pub(crate) heartbeat: Arc<Heartbeat>,
}

/// The future of one session. It completes when the socket is dropped.
pub(crate) type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves one connection until its socket is dropped.
///
/// Only this function is compiled for each controller, so it contains no more than the calls of
/// `on_message`. Memory per idle connection matters: state that is rarely used is boxed, and the
/// `async` block captures the arguments instead of holding a second copy. Handling a message boxes
/// nothing.
pub(crate) fn serve<C, S>(controller: Arc<C>, transport: S, life: Life) -> impl Future<Output = ()> + Send
where
    C: Controller,
    S: ByteStream + Send,
{
    let Life { span, entry, prefix, limits, heartbeat } = life;
    let mut socket = Socket::new(transport, prefix, SizeLimits::from(&*limits));
    let conn = entry.connection().clone();
    let mut on_close =
        OnClose { entry: Some(entry), controller: Some(controller.clone()), deadline: limits.close_timeout };
    let life = async move {
        let sleep = pin!(tokio::time::sleep(Duration::ZERO));
        let automatic = Automatic {
            pings: C::__typed().is_some_and(|typed| typed.answers_ping),
            refusals: C::__typed().is_some() && limits.over_rate == OverRate::Refuse,
        };
        let driver = Driver::new(&mut socket, &conn, sleep, &heartbeat, &limits, automatic);
        let rescue = Rescue { conn: &conn, deadline: limits.handler_timeout };
        let mut session = Session { driver, conn: &conn, controller: &*controller, rescue };

        // open: messages wait until `on_open` has finished.
        let mut goes_on = session.open().await;

        // messages: one after another, until the connection has ended and all earlier messages are
        // handled.
        let mut callback = pin!(None);
        while goes_on {
            let stop = poll_fn(|cx| {
                loop {
                    let message = match ready!(session.driver.poll_next(cx)) {
                        Some(Event::Message(message)) => message,
                        other => return Poll::Ready(Break::NoMessage(other)),
                    };
                    let deadline = session.deadline();
                    callback.set(Some(callbacks::message(&*controller, &conn, message)));
                    match first_poll(callback.as_mut(), cx) {
                        Poll::Ready(Some(Ok(()))) => {}
                        Poll::Ready(result) => return Poll::Ready(Break::Failed(result.into())),
                        Poll::Pending => return Poll::Ready(Break::Waits { deadline }),
                    }
                }
            });
            goes_on = match stop.await {
                Break::NoMessage(event) => session.handle(event).await,
                Break::Failed(outcome) => session.settle(outcome).await,
                Break::Waits { deadline } => session.finish_callback(callback.as_mut(), deadline).await,
            };
        }

        session.close(&mut on_close).await;
        drop(on_close);
    };
    life.instrument(span)
}

/// The reason why the loop over messages stops.
enum Break {
    /// An event that is not a message; `None` at the end of the connection.
    NoMessage(Option<Event>),
    /// The callback of a message failed at once.
    Failed(Completion),
    /// The callback of a message waits for something.
    Waits { deadline: Option<Instant> },
}

/// A session without the types of its controller and of the callback for messages.
struct Session<'a, S> {
    driver: Driver<'a, S>,
    conn: &'a Connection,
    controller: &'a dyn Rare,
    rescue: Rescue<'a>,
}

impl<S: ByteStream> Session<'_, S> {
    async fn open(&mut self) -> bool {
        let callback = self.controller.open(self.conn);
        self.run(Phase::Open, CallbackKind::Open, callback).await
    }

    /// The time by which a callback that begins now must end.
    fn deadline(&self) -> Option<Instant> {
        self.rescue.deadline.map(|within| Instant::now() + within)
    }

    /// Handles an event that is not a message. Returns false if the connection ends.
    async fn handle(&mut self, event: Option<Event>) -> bool {
        let callback = match event {
            None => return false,
            Some(Event::Message(message) | Event::Refused(message)) => {
                let refused = Completion::Returned(Err(rate_limited(self.conn, &message)));
                return self.settle(refused).await;
            }
            Some(Event::Ping(payload)) => self.controller.ping(self.conn, payload),
            Some(Event::Pong(payload)) => self.controller.pong(self.conn, payload),
        };
        self.run(Phase::Message, CallbackKind::Control, callback).await
    }

    /// Finishes the callback of a message. Returns false if the connection ends.
    async fn finish_callback(
        &mut self,
        callback: Pin<&mut (dyn Slot<Output = Result> + Send + '_)>,
        deadline: Option<Instant>,
    ) -> bool {
        match self.driver.finish_callback(callback, deadline).await {
            Completion::Returned(Ok(())) => true,
            outcome => self.settle(outcome).await,
        }
    }

    async fn settle(&mut self, outcome: Completion) -> bool {
        self.rescue.settle(&mut self.driver, Phase::Message, outcome).await
    }

    /// Runs a rare callback inside the interceptors of the route. Returns false if the connection ends.
    async fn run(&mut self, phase: Phase, kind: CallbackKind<'_>, callback: InterceptorFuture<'_>) -> bool {
        let callback = intercepted(Callback::new(self.conn, kind), callback);
        let outcome = self.driver.run(callback, self.rescue.deadline).await;
        self.rescue.settle(&mut self.driver, phase, outcome).await
    }

    async fn close(&mut self, on_close: &mut OnClose) {
        // tasks: those of the connection have a bounded time to finish.
        self.driver.finish_tasks().await;
        self.conn.tasks().end();

        // close: `on_close` runs while the close frame is being sent.
        let reason = self.driver.reason().cloned().unwrap_or(CloseReason::Aborted);
        tracing::debug!(?reason, code = reason.code(), "connection ended");
        on_close.controller = None;
        self.rescue.deadline = Some(on_close.deadline);
        let callback = self.controller.close(self.conn, reason);
        self.run(Phase::Close, CallbackKind::Close, callback).await;
        self.driver.finish().await;
        if let Some(entry) = &mut on_close.entry {
            entry.ended(self.driver.ending());
        }
    }
}

/// A guard that spawns `on_close` if the session task is aborted before it calls `on_close`.
struct OnClose {
    entry: Option<Entry>,
    /// `None` once the session task itself has begun to call `on_close`.
    controller: Option<Arc<dyn Rare>>,
    deadline: Duration,
}

impl Drop for OnClose {
    fn drop(&mut self) {
        let (Some(entry), Some(controller)) = (self.entry.take(), self.controller.take()) else { return };
        entry.connection().outbox().shut();
        entry.connection().tasks().end();
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let deadline = self.deadline;
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
    use crate::{hub::Live, request::Handshake, wire::Message};

    pub(super) fn life(live: &Arc<Live>) -> Life {
        let (parts, ()) = http::Request::new(()).into_parts();
        let handshake = Handshake::new(parts, "ws".into(), None);
        let conn = Connection::new(handshake, &Arc::default(), Arc::clone(live));
        Life {
            span: Span::none(),
            entry: live.enter(conn),
            prefix: bytes::Bytes::new(),
            limits: Arc::default(),
            heartbeat: Arc::default(),
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

    /// A peer that sends empty texts without end and accepts everything it is sent.
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
        let life = Life { limits: Arc::new(limits), ..life(&Arc::new(Live::default())) };
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
    async fn what_a_callback_pushes_does_not_wake_its_own_task_and_fits_a_small_outbox() {
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
