//! The session: the one task that serves a connection, from the flushed 101 until the socket is
//! dropped.
//!
//! [`serve`] calls `on_open`, then the callbacks for events one after another, then `on_close`
//! exactly once. [`driver`] reads, writes and keeps the timers, also while a callback runs.
//! [`rescue`] decides whether a connection stays open after its callback failed.
//!
//! A panic or an error in user code must end at most its own connection. This module must not use
//! HTTP beyond the finished [`Handshake`](crate::Handshake).

mod driver;
mod erased;
mod inbox;
mod rate;
mod rescue;
#[cfg(test)]
mod slow_readers;
mod timers;

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tracing::{Instrument as _, Span};

pub(crate) use self::erased::ErasedController;
pub use self::erased::{Erased, erase};
use self::{
    driver::{Automatic, Completion, Driver},
    inbox::Event,
    rescue::Rescue,
};
use crate::{
    caught::caught,
    config::{Heartbeat, Limits, OverRate},
    connection::Connection,
    controller::Controller,
    error::Result,
    handlers::{Callback, CallbackKind, Intercepted, intercepted, rate_limited},
    hub::Entry,
    recovery::Phase,
    socket::{ByteStream, SizeLimits, Socket},
    wire::{CloseReason, Message},
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
/// Memory per idle connection matters: state that is rarely used is boxed, and the `async` block
/// captures the arguments instead of holding a second copy. Handling a message boxes nothing.
pub(crate) fn serve<C, S>(controller: Arc<C>, transport: S, life: Life) -> impl Future<Output = ()> + Send
where
    C: Controller,
    S: ByteStream + Send,
{
    let Life { span, entry, prefix, limits, heartbeat } = life;
    let mut socket = Socket::new(transport, prefix, SizeLimits::from(&*limits));
    let conn = entry.connection().clone();
    let mut on_close = OnClose {
        entry: Some(entry),
        controller: Some(Arc::clone(&controller)),
        deadline: limits.close_timeout,
    };
    let life = async move {
        let sleep = pin!(tokio::time::sleep(Duration::ZERO));
        let automatic = Automatic {
            pings: C::__typed().is_some_and(|typed| typed.answers_ping),
            refusals: C::__typed().is_some() && limits.over_rate == OverRate::Refuse,
        };
        let mut driver = Driver::new(&mut socket, &conn, sleep, &heartbeat, &limits, automatic);
        let calls = Callbacks { controller: &*controller, conn: &conn };
        let rescue = Rescue { conn: &conn, deadline: limits.handler_timeout };

        // open: messages wait until `on_open` has finished.
        let opened = driver.run_boxed(calls.open(), limits.handler_timeout).await;
        let mut goes_on = rescue.settle(&mut driver, Phase::Open, opened).await;

        // messages: one after another, until the connection has ended and all earlier messages are
        // handled.
        while goes_on {
            let Some(event) = driver.next().await else { break };
            let deadline = limits.handler_timeout;
            let outcome = match event {
                Event::Message(message) => driver.run(pin!(Some(calls.message(message))), deadline).await,
                Event::Refused(message) => Completion::Returned(Err(rate_limited(&conn, &message))),
                Event::Ping(payload) => driver.run_boxed(calls.ping(payload), deadline).await,
                Event::Pong(payload) => driver.run_boxed(calls.pong(payload), deadline).await,
            };
            // This check is the only work between two successful messages.
            if !matches!(outcome, Completion::Returned(Ok(()))) {
                goes_on = rescue.settle(&mut driver, Phase::Message, outcome).await;
            }
        }

        // tasks: those of the connection have a bounded time to finish.
        driver.finish_tasks().await;
        conn.tasks().end();

        // close: `on_close` runs while the close frame is being sent.
        let reason = driver.reason().cloned().unwrap_or(CloseReason::Aborted);
        tracing::debug!(?reason, code = reason.code(), "connection ended");
        on_close.controller = None;
        let closed = driver.run_boxed(calls.close(reason), Some(limits.close_timeout)).await;
        let rescue = Rescue { deadline: Some(limits.close_timeout), ..rescue };
        rescue.settle(&mut driver, Phase::Close, closed).await;
        driver.finish().await;
        if let Some(entry) = &mut on_close.entry {
            entry.ended(driver.ending());
        }
        drop(on_close);
    };
    life.instrument(span)
}

/// The controller's callbacks, each wrapped in the interceptors of the route. A typed controller
/// runs the interceptors of its messages itself, since it decodes the event.
struct Callbacks<'a, C> {
    controller: &'a C,
    conn: &'a Connection,
}

impl<'a, C: Controller> Callbacks<'a, C> {
    fn open(&self) -> impl Future<Output = Result> + Send + use<'a, C> {
        let Self { controller, conn } = *self;
        self.call(CallbackKind::Open, async { controller.on_open(conn).await })
    }

    fn message(&self, message: Message) -> impl Future<Output = Result> + Send + use<'a, C> {
        let Self { controller, conn } = *self;
        let callback = async { controller.on_message(conn, message).await };
        if C::__typed().is_some() {
            Intercepted::none(callback)
        } else {
            self.call(CallbackKind::Message, callback)
        }
    }

    fn ping(&self, payload: Bytes) -> impl Future<Output = Result> + Send + use<'a, C> {
        let Self { controller, conn } = *self;
        self.call(CallbackKind::Control, async { controller.on_ping(conn, payload).await })
    }

    fn pong(&self, payload: Bytes) -> impl Future<Output = Result> + Send + use<'a, C> {
        let Self { controller, conn } = *self;
        self.call(CallbackKind::Control, async { controller.on_pong(conn, payload).await })
    }

    fn close(&self, reason: CloseReason) -> impl Future<Output = Result> + Send + use<'a, C> {
        let Self { controller, conn } = *self;
        self.call(CallbackKind::Close, async { controller.on_close(conn, reason).await })
    }

    /// Wraps a callback in the interceptors. `callback` must be an `async` block that calls the
    /// controller when it is polled, so that a panic of the call itself is caught as well.
    fn call<F: Future<Output = Result> + Send + 'a>(
        &self,
        kind: CallbackKind<'a>,
        callback: F,
    ) -> Intercepted<'a, F> {
        intercepted(Callback::new(self.conn, kind), callback)
    }
}

/// A guard that spawns `on_close` if the session task is aborted before it calls `on_close`.
struct OnClose<C: Controller> {
    entry: Option<Entry>,
    /// `None` once the session task itself has begun to call `on_close`.
    controller: Option<Arc<C>>,
    deadline: Duration,
}

impl<C: Controller> Drop for OnClose<C> {
    fn drop(&mut self) {
        let (Some(entry), Some(controller)) = (self.entry.take(), self.controller.take()) else { return };
        entry.connection().outbox().shut();
        entry.connection().tasks().end();
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let deadline = self.deadline;
        let live = entry.live().clone();
        // Boxed without its type, so that tokio's task is not compiled for each controller.
        let on_close: Served = Box::pin(async move {
            let calls = Callbacks { controller: &*controller, conn: entry.connection() };
            let closed = caught(calls.close(CloseReason::Aborted));
            match tokio::time::timeout(deadline, closed).await {
                Ok(Some(Ok(()))) => {}
                Ok(None) => tracing::error!("on_close panicked"),
                Ok(Some(Err(error))) => tracing::error!(%error, "on_close failed"),
                Err(_) => tracing::error!("on_close took longer than the close deadline"),
            }
        });
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

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;
    use crate::{hub::Live, request::Handshake};

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
