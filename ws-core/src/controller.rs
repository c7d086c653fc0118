//! The contract between a user's controller and a connection, and its one erasure.
//!
//! [`Controller`] is what users implement. It is monomorphic: the loop that calls it is compiled for each controller,
//! so that a message costs neither a boxed future nor a virtual call. [`ErasedController`] is called once a connection.

use std::{any::Any, sync::Arc};

use bytes::Bytes;

use crate::{
    connection::{self, CloseReason, Connection, Life, Served},
    error::Result,
    handlers::Setup,
    message::Message,
    server::Transport,
    state::StateKey,
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
/// latest. From then on pushes fail with [`SendError::Closed`](crate::SendError::Closed). Only the
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

    /// For generated code: whether it runs the interceptors of messages by itself, around each event.
    #[doc(hidden)]
    const __TYPED: bool = false;

    /// For generated code: whether the event `ping` is answered without a handler.
    #[doc(hidden)]
    const __ANSWERS_PING: bool = false;

    /// For generated code: what its handlers need of the application and of the route.
    #[doc(hidden)]
    fn __needs() -> Needs {
        Needs::default()
    }

    /// For generated code: what is parsed from the handshake once, before the 101, and kept with the connection.
    #[doc(hidden)]
    fn __keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>> {
        let _ = setup;
        Ok(None)
    }
}

/// What the handlers of a controller need, for the checks at start.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Needs {
    /// Values given to `App::state`.
    pub states: Vec<StateKey>,
    /// Parameters in the path.
    pub path: bool,
}

/// What generated code keeps with a connection.
#[doc(hidden)]
pub type Kept = Box<dyn Any + Send + Sync>;

/// A controller as the pipeline and the server see it.
pub(crate) trait ErasedController: Send + Sync {
    fn needs(&self) -> Needs;

    fn is_typed(&self) -> bool;

    fn keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>>;

    /// The connection to its end.
    fn serve(self: Arc<Self>, transport: Transport, life: Life) -> Served;
}

impl<C: Controller> ErasedController for C {
    fn needs(&self) -> Needs {
        C::__needs()
    }

    fn is_typed(&self) -> bool {
        C::__TYPED
    }

    fn keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>> {
        self.__keep(setup)
    }

    fn serve(self: Arc<Self>, transport: Transport, life: Life) -> Served {
        Box::pin(connection::serve(self, transport, life))
    }
}
