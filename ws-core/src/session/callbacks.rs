//! The callbacks of a controller, as the session calls them.
//!
//! `on_message` keeps its type, so that a message costs neither a box nor a virtual call. The other
//! callbacks are rare: [`Rare`] boxes them without their type, so that the session is compiled once for
//! all controllers. Each call is made in an `async` block when it is polled, so that a panic of the
//! call itself is caught as well.

use bytes::Bytes;

use crate::{
    connection::Connection,
    controller::Controller,
    error::Result,
    handlers::{Callback, CallbackKind, Intercepted, InterceptorFuture, intercepted},
    wire::{CloseReason, Message},
};

/// Calls `on_message`, inside the interceptors of the route. A typed controller runs the interceptors of
/// its messages itself, since it decodes the event.
pub(super) fn message<'a, C: Controller>(
    controller: &'a C,
    conn: &'a Connection,
    message: Message,
) -> Intercepted<'a, impl Future<Output = Result> + Send + use<'a, C>> {
    let callback = async { controller.on_message(conn, message).await };
    if C::__typed().is_some() {
        Intercepted::none(callback)
    } else {
        intercepted(Callback::new(conn, CallbackKind::Message), callback)
    }
}

/// The callbacks besides `on_message`, without the controller's type and without the interceptors of the
/// route.
pub(super) trait Rare: Send + Sync {
    fn open<'a>(&'a self, conn: &'a Connection) -> InterceptorFuture<'a>;

    fn ping<'a>(&'a self, conn: &'a Connection, payload: Bytes) -> InterceptorFuture<'a>;

    fn pong<'a>(&'a self, conn: &'a Connection, payload: Bytes) -> InterceptorFuture<'a>;

    fn close<'a>(&'a self, conn: &'a Connection, reason: CloseReason) -> InterceptorFuture<'a>;
}

impl<C: Controller> Rare for C {
    fn open<'a>(&'a self, conn: &'a Connection) -> InterceptorFuture<'a> {
        Box::pin(async { self.on_open(conn).await })
    }

    fn ping<'a>(&'a self, conn: &'a Connection, payload: Bytes) -> InterceptorFuture<'a> {
        Box::pin(async { self.on_ping(conn, payload).await })
    }

    fn pong<'a>(&'a self, conn: &'a Connection, payload: Bytes) -> InterceptorFuture<'a> {
        Box::pin(async { self.on_pong(conn, payload).await })
    }

    fn close<'a>(&'a self, conn: &'a Connection, reason: CloseReason) -> InterceptorFuture<'a> {
        Box::pin(async { self.on_close(conn, reason).await })
    }
}
