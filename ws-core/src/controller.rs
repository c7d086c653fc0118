//! [`Controller`]: the contract between a user's code and a connection.
//!
//! The trait is not erased here: the session is compiled for each controller, so that a message
//! costs neither a boxed future nor a virtual call. A controller sees messages and callbacks; it
//! never reads or writes the socket itself.

use std::any::TypeId;

use bytes::Bytes;

use crate::{
    connection::Connection,
    error::Result,
    hub::{Hub, Room, Target, User, UserAt},
    request::Typed,
    wire::{CloseReason, Message},
};

/// The callbacks for the connections of one route.
///
/// One instance serves all connections of its server; the data of one connection belongs in its
/// [`context`](Connection::context). All callbacks of a connection run in its own task, one after
/// another: `on_open`, then the messages in order, then `on_close`. While a callback waits, the
/// task still sends what others push, answers pings, and reads messages ahead, up to
/// `limits.inbox_messages` and `limits.inbox_bytes`.
///
/// A running callback is not cancelled when the peer closes or disappears. [`Connection::closed`]
/// resolves, the callback finishes, the messages that arrived before are handled, then `on_close`
/// runs. Messages can be pushed until the close frame is answered, at the latest
/// `limits.close_timeout` after it was read. From then on pushes fail with
/// [`SendError::Closed`](crate::error::SendError::Closed). Only the handler deadline and the drain
/// deadline cancel a callback. A panic closes its own connection with 1011 and affects no other.
///
/// An `Err` is passed to the error handlers (`#[ws_error_handler]`). Each method states what
/// happens if none of them handles it.
///
/// ```
/// use ws_core::{CloseReason, Connection, Controller, Message, Result};
///
/// struct Echo;
///
/// impl Controller for Echo {
///     async fn on_open(&self, conn: &Connection) -> Result {
///         Ok(conn.push("welcome")?)
///     }
///
///     async fn on_message(&self, conn: &Connection, message: Message) -> Result {
///         Ok(conn.push(message)?)
///     }
///
///     async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
///         println!("{} closed with {}", conn.id(), reason.code());
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a controller",
    label = "`Controller` is not implemented for this",
    note = "write `#[ws_handlers] impl {Self} {{ .. }}` with methods under `#[on_event(..)]`, `#[on_open]` and the like",
    note = "or write `impl Controller for {Self} {{ async fn on_message(&self, conn: &Connection, message: Message) -> Result {{ .. }} }}`"
)]
#[doc(alias("gateway", "namespace"))]
pub trait Controller: Send + Sync + 'static {
    /// Called once, after the 101 is sent and before the first message is handled.
    ///
    /// An error closes the connection with the error's close code, 1011 by default.
    fn on_open(&self, conn: &Connection) -> impl Future<Output = Result> + Send {
        let _ = conn;
        std::future::ready(Ok(()))
    }

    /// Called for each text or binary message, in order; the next message waits until this callback
    /// returns.
    ///
    /// An error is logged and closes the connection with the error's close code, 1011 by default.
    fn on_message(&self, conn: &Connection, message: Message) -> impl Future<Output = Result> + Send {
        let _ = (conn, message);
        std::future::ready(Ok(()))
    }

    /// Called for each ping, in order with the messages. Pings are answered automatically; this
    /// callback is for monitoring.
    ///
    /// An error is treated like an error of `on_message`.
    fn on_ping(&self, conn: &Connection, payload: Bytes) -> impl Future<Output = Result> + Send {
        let _ = (conn, payload);
        std::future::ready(Ok(()))
    }

    /// Called for each pong, in order with the messages. Pongs that answer the heartbeat are among
    /// them; their payload has 8 bytes.
    ///
    /// An error is treated like an error of `on_message`.
    fn on_pong(&self, conn: &Connection, payload: Bytes) -> impl Future<Output = Result> + Send {
        let _ = (conn, payload);
        std::future::ready(Ok(()))
    }

    /// Called exactly once for every connection whose `on_open` began, for every kind of ending.
    /// The context is still readable; nothing can be sent any more.
    ///
    /// The callback is cancelled after `limits.close_timeout`. An error is logged.
    fn on_close(&self, conn: &Connection, reason: CloseReason) -> impl Future<Output = Result> + Send {
        let _ = (conn, reason);
        std::future::ready(Ok(()))
    }

    /// The typed layer of the controller, if it has one. For generated code.
    #[doc(hidden)]
    fn __typed() -> Option<&'static Typed> {
        None
    }
}

/// Targets selected by the type of a controller.
impl Hub {
    /// All connections of this controller, on every server and path.
    pub fn controller<C: Controller>(&self) -> Target {
        self.of_controller(TypeId::of::<C>())
    }

    /// A room of this controller. Rooms belong to a controller: the rooms `"1"` of two controllers
    /// are different rooms.
    pub fn room<C: Controller>(&self, name: impl AsRef<str>) -> Room {
        self.room_of(TypeId::of::<C>(), name.as_ref())
    }
}

/// The connections of a user selected by the type of a controller.
impl User {
    /// The connections of the user at this controller, on all nodes. One of them can be
    /// [asked](UserAt::ask).
    pub fn at<C: Controller>(&self) -> UserAt {
        self.at_controller(TypeId::of::<C>())
    }
}
