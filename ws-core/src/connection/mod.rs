//! One open connection, from the flushed 101 to the dropped socket, in the one task that owns the socket.
//!
//! [`serve`] is the life cycle: `on_open`, events one after another, `on_close` exactly once. [`driver`] keeps the wire
//! going meanwhile, [`outbox`] is where others put what is to be sent, [`handle`] is what they hold. No HTTP reaches
//! this module beyond the finished [`Handshake`](crate::Handshake).

mod close;
mod context;
mod driver;
mod expiry;
mod handle;
mod id;
mod outbox;
mod rate;
mod rescue;
mod timers;

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::{close::CloseReason, context::ContextMap, handle::Connection, id::ConnectionId};
pub(crate) use self::{
    close::{CloseFrame, may_be_sent},
    outbox::{Outbox, Stop},
};
use self::{
    driver::{Driver, Event, Outcome},
    rescue::Rescue,
};
use crate::{
    config::{Heartbeat, Limits, OverRate},
    controller::Controller,
    error::{ErrorHandlers, Phase, Result},
    handlers::{CallKind, Invocation, intercepted, rate_limited},
    hub::Entry,
    message::Message,
    socket::{SizeLimits, Socket},
};

/// Everything that a connection needs besides its transport and its controller.
pub(crate) struct Life {
    /// Its place among the living.
    pub(crate) entry: Entry,
    /// What was read behind the handshake.
    pub(crate) prefix: bytes::Bytes,
    /// Its route's.
    pub(crate) limits: Arc<Limits>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) error_handlers: Arc<ErrorHandlers>,
}

/// The life of one connection.
pub(crate) async fn serve<C, S>(controller: Arc<C>, transport: S, life: Life)
where
    C: Controller,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Life { entry, prefix, limits, heartbeat, error_handlers } = life;
    let conn = entry.connection().clone();
    let sleep = pin!(tokio::time::sleep(Duration::ZERO));
    let socket = Socket::new(transport, prefix, SizeLimits::from(&*limits));
    // Only the typed layer has an answer that no handler gives.
    let refuses = C::__TYPED && limits.over_rate == OverRate::Refuse;
    let mut driver = Driver::new(socket, &conn, sleep, &heartbeat, &limits, refuses);
    let calls = Callbacks { controller: &*controller, conn: &conn };
    let rescue = Rescue { conn: &conn, error_handlers: &error_handlers, deadline: limits.handler_timeout };
    let mut on_close = OnClose {
        entry: Some(entry),
        controller: Some(Arc::clone(&controller)),
        deadline: limits.close_timeout,
    };

    // open: messages wait until it has finished.
    let opened = driver.run(calls.open(), limits.handler_timeout).await;
    let mut failed = rescue.settle(&mut driver, Phase::Open, opened).await;

    // messages: one after another, until the connection has ended and all that arrived before is handled.
    while failed.is_none() {
        let Some(event) = driver.next().await else { break };
        let deadline = limits.handler_timeout;
        let outcome = match event {
            Event::Message(message) => driver.run(calls.message(message), deadline).await,
            Event::Refused(message) => Outcome::Returned(Err(rate_limited(&conn, &message))),
            Event::Ping(payload) => driver.run(calls.ping(payload), deadline).await,
            Event::Pong(payload) => driver.run(calls.pong(payload), deadline).await,
        };
        // The way of every message: no more than this stands between one and the next.
        if !matches!(outcome, Outcome::Returned(Ok(()))) {
            failed = rescue.settle(&mut driver, Phase::Message, outcome).await;
        }
    }
    if let Some((frame, reason)) = failed {
        driver.close(frame, reason);
    }

    // close: on_close runs while the close frame makes its way.
    let reason = driver.reason().cloned().unwrap_or(CloseReason::Aborted);
    tracing::debug!(?reason, code = reason.code(), "connection ended");
    on_close.controller = None;
    let closed = driver.run(calls.close(reason), Some(limits.close_timeout)).await;
    rescue.settle(&mut driver, Phase::Close, closed).await;
    driver.finish().await;
}

/// The controller's callbacks, each inside the interceptors of the route. What the typed layer wrote runs them by itself,
/// since only it knows the event.
struct Callbacks<'a, C> {
    controller: &'a C,
    conn: &'a Connection,
}

impl<C: Controller> Callbacks<'_, C> {
    async fn open(&self) -> Result {
        self.call(CallKind::Open, async { self.controller.on_open(self.conn).await }).await
    }

    async fn message(&self, message: Message) -> Result {
        self.call(CallKind::Message, async { self.controller.on_message(self.conn, message).await }).await
    }

    async fn ping(&self, payload: Bytes) -> Result {
        self.call(CallKind::Control, async { self.controller.on_ping(self.conn, payload).await }).await
    }

    async fn pong(&self, payload: Bytes) -> Result {
        self.call(CallKind::Control, async { self.controller.on_pong(self.conn, payload).await }).await
    }

    async fn close(&self, reason: CloseReason) -> Result {
        self.call(CallKind::Close, async { self.controller.on_close(self.conn, reason).await }).await
    }

    async fn call(&self, kind: CallKind<'_>, callback: impl Future<Output = Result> + Send) -> Result {
        if C::__TYPED && kind == CallKind::Message {
            callback.await
        } else {
            intercepted(Invocation::new(self.conn, kind), callback).await
        }
    }
}

/// Sees to it that `on_close` runs even if the connection's task is aborted: it is spawned then.
struct OnClose<C: Controller> {
    entry: Option<Entry>,
    /// `None` once `on_close` has begun in the task itself.
    controller: Option<Arc<C>>,
    deadline: Duration,
}

impl<C: Controller> Drop for OnClose<C> {
    fn drop(&mut self) {
        let (Some(entry), Some(controller)) = (self.entry.take(), self.controller.take()) else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let deadline = self.deadline;
        entry.connection().outbox().shut();
        entry.live().clone().spawn(async move {
            let calls = Callbacks { controller: &*controller, conn: entry.connection() };
            let closed = calls.close(CloseReason::Aborted);
            match tokio::time::timeout(deadline, closed).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "on_close failed"),
                Err(_) => tracing::error!("on_close took longer than the close deadline"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{handshake::Handshake, hub::Live};

    struct Stuck(tokio::sync::mpsc::UnboundedSender<Option<CloseReason>>);

    impl Controller for Stuck {
        async fn on_open(&self, _: &Connection) -> crate::Result {
            self.0.send(None)?;
            std::future::pending().await
        }

        async fn on_close(&self, _: &Connection, reason: CloseReason) -> crate::Result {
            Ok(self.0.send(Some(reason))?)
        }
    }

    #[tokio::test]
    async fn on_close_runs_once_even_if_the_task_is_aborted() {
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let live = Arc::new(Live::default());
        let (parts, ()) = http::Request::new(()).into_parts();
        let conn =
            Connection::new(Handshake::new(parts, "ws".into(), None), &Limits::default(), Arc::clone(&live));
        let life = Life {
            entry: live.enter(conn),
            prefix: bytes::Bytes::new(),
            limits: Arc::default(),
            heartbeat: Arc::default(),
            error_handlers: Arc::default(),
        };
        let (near, _far) = tokio::io::duplex(64);
        let task = tokio::spawn(serve(Arc::new(Stuck(sender)), near, life));
        assert_eq!(seen.recv().await, Some(None), "on_open began");
        task.abort();
        assert_eq!(seen.recv().await, Some(Some(CloseReason::Aborted)));
        assert_eq!(seen.recv().await, None, "once");
        live.wait().await;
        assert_eq!(live.len(), 0);
    }
}
