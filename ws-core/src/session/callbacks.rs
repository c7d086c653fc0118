//! The callbacks of a controller, as the session calls them.
//!
//! `on_message` keeps its type, so that a message costs neither a box nor a virtual call. The other
//! callbacks are rare: [`Rare`] boxes them without their type, so that the session is compiled once
//! for all controllers. Each call is made inside an `async` block or inside
//! [`caught`](crate::caught), so that a panic of the call itself is caught as well.

use bytes::Bytes;

use crate::{
    connection::Connection,
    controller::Controller,
    error::Result,
    handlers::{Around, Callback, CallbackKind, Intercepted, InterceptorFuture},
    wire::{CloseReason, Message},
};

/// Returns the interceptors that run around `on_message`, if there are any. A typed controller runs
/// those of its messages itself, since it decodes the event.
pub(super) fn around_messages<C: Controller>(conn: &Connection) -> Option<&Around> {
    if C::__typed().is_some() { None } else { Around::of(conn) }
}

/// Calls `on_message`, inside these interceptors. Without interceptors the future is that of
/// `on_message` and nothing around it: it takes memory in each connection.
pub(super) fn message<'a, C: Controller>(
    controller: &'a C,
    conn: &'a Connection,
    around: Option<&'a Around>,
    message: Message,
) -> Intercepted<'a, impl Future<Output = Result> + Send + use<'a, C>> {
    match around {
        Some(around) => {
            let handler = Box::pin(async { controller.on_message(conn, message).await });
            around.run(Callback::new(conn, CallbackKind::Message), handler)
        }
        None => Intercepted::None { handler: controller.on_message(conn, message) },
    }
}

/// The callbacks besides `on_message`, without the controller's type and without the interceptors
/// of the route.
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
