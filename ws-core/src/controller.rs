//! [`Controller`]: the contract between a user's code and a connection.
//!
//! It is not erased here: the session is compiled for each controller, so that a message costs neither
//! a boxed future nor a virtual call.

use std::any::TypeId;

use bytes::Bytes;

use crate::{
    connection::Connection,
    error::Result,
    hub::{Hub, Room, Target},
    request::Typed,
    wire::{CloseReason, Message},
};

/// What happens on the connections of one route.
///
/// One instance serves all connections of its server; what belongs to one connection lives in its
/// [`context`](Connection::context). All callbacks of a connection run in its own task, one after
/// another: `on_open`, then the messages in their order, then `on_close`. While one of them waits,
/// what others push goes out, pings are answered, and messages are read ahead up to
/// `limits.inbox_messages` and `limits.inbox_bytes`.
///
/// The end of the peer does not cancel a running callback. [`Connection::closed`] resolves, the
/// callback finishes, the messages from before the end are handled, then `on_close` runs. Answers
/// can be pushed until the close frame is answered, `limits.close_timeout` after it was read at the
/// latest. From then on pushes fail with [`SendError::Closed`](crate::error::SendError::Closed). Only the
/// handler deadline and the drain deadline cut a callback. A panic ends its own connection (close
/// code 1011) and nothing else.
///
/// An `Err` goes to the error handlers (`#[ws_error_handler]`). What happens when none of them claims it is said at each
/// method.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no controller",
    label = "`Controller` is not implemented for this",
    note = "write `impl Controller for {Self} {{ async fn on_message(&self, conn: &Connection, message: Message) -> Result {{ .. }} }}`"
)]
#[doc(alias("gateway", "namespace"))]
pub trait Controller: Send + Sync + 'static {
    /// Once, after the 101 is on the wire and before the first message is handled.
    ///
    /// An error closes the connection with the error's close code, 1011 by default.
    fn on_open(&self, conn: &Connection) -> impl Future<Output = Result> + Send {
        let _ = conn;
        std::future::ready(Ok(()))
    }

    /// Once a text or binary message, in their order; the next message waits until this one is done.
    ///
    /// An error is logged and closes the connection with the error's close code, 1011 by default.
    fn on_message(&self, conn: &Connection, message: Message) -> impl Future<Output = Result> + Send {
        let _ = (conn, message);
        std::future::ready(Ok(()))
    }

    /// Once a ping, in order with the messages. The ping is answered without you; this is for watching.
    ///
    /// An error counts as one of `on_message`.
    fn on_ping(&self, conn: &Connection, payload: Bytes) -> impl Future<Output = Result> + Send {
        let _ = (conn, payload);
        std::future::ready(Ok(()))
    }

    /// Called for each pong, in order with the messages. Pongs that answer the heartbeat are among
    /// them; their payload has 8 bytes.
    ///
    /// An error counts as one of `on_message`.
    fn on_pong(&self, conn: &Connection, payload: Bytes) -> impl Future<Output = Result> + Send {
        let _ = (conn, payload);
        std::future::ready(Ok(()))
    }

    /// Exactly once for every connection whose `on_open` began, whatever ended it. The context is still readable;
    /// nothing can be sent any more.
    ///
    /// It has the close deadline (`limits.close_timeout`). An error is logged.
    fn on_close(&self, conn: &Connection, reason: CloseReason) -> impl Future<Output = Result> + Send {
        let _ = (conn, reason);
        std::future::ready(Ok(()))
    }

    /// For generated code: the typed layer of the controller, if it has one.
    #[doc(hidden)]
    fn __typed() -> Option<&'static Typed> {
        None
    }
}

/// The targets that are named by the type of a controller.
impl Hub {
    /// All connections of this controller, whatever the server and the path.
    pub fn controller<C: Controller>(&self) -> Target {
        self.of_controller(TypeId::of::<C>())
    }

    /// A room of this controller. Rooms belong to a controller: the rooms `"1"` of two controllers are
    /// two rooms.
    pub fn room<C: Controller>(&self, name: impl AsRef<str>) -> Room {
        self.room_of(TypeId::of::<C>(), name.as_ref())
    }
}
