//! [`TypedClient`]: calls, events and asks by the types that the server's handlers have.
//!
//! `router` distributes the received messages, in the task of `driver`; the other files have the
//! public types. A call is never sent twice.

mod asked;
mod call;
mod events;
mod failed;
mod router;
mod state;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

pub use self::{
    asked::{Asked, Question},
    call::{PendingCall, Replies},
    events::{Events, Others},
    failed::{CallFailed, EventFailed},
    state::ClientState,
};
use self::{
    call::Encoded,
    failed::not_encoded,
    router::{Router, RouterInbox},
};
use crate::{
    client::{
        builder::ClientBuilder,
        connection::Client,
        driver::{self, Handle, Link},
        error::{ClientError, ConnectError},
        reconnect::ReconnectingClient,
    },
    envelope::{Format, ManyReplies, OneReply, WsAsk, WsCall, WsEvent},
    wire::CloseReason,
};

/// A client of typed handlers: it sends and receives events by their types.
///
/// The types are those of the server, so both share a crate with them. A type of the client's side
/// implements `Serialize` and, for what it receives, `Deserialize`.
///
/// ```no_run
/// use serde::{Deserialize, Serialize};
/// use ws_core::{WsEvent, client::Client};
///
/// #[derive(Serialize, Deserialize, WsEvent)]
/// #[ws_event("say", reply = Said)]
/// struct Say {
///     text: String,
/// }
///
/// #[derive(Serialize, Deserialize, WsEvent)]
/// #[ws_event("said")]
/// struct Said {
///     id: u64,
/// }
///
/// #[derive(Serialize, Deserialize, WsEvent)]
/// #[ws_event("joined")]
/// struct Joined {
///     name: String,
/// }
///
/// #[derive(Serialize, Deserialize, WsEvent)]
/// #[ws_event("confirm", answer = bool)]
/// struct Confirm {
///     amount: u32,
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let room = Client::builder("ws://localhost:9502/rooms/1").bearer("a-token").typed().await?;
/// // Subscribe before the first await: nothing is missed.
/// let mut joined = room.events::<Joined>();
/// let mut asked = room.asked::<Confirm>();
/// tokio::spawn(async move {
///     while let Some(question) = asked.next().await {
///         let _ = question.answer(question.amount < 100).await;
///     }
/// });
/// let said = room.call(&Say { text: "hi".to_owned() }).await?;
/// println!("it has the number {}", said.id);
/// while let Some(joined) = joined.next().await {
///     println!("{} came in", joined?.name);
/// }
/// # Ok(())
/// # }
/// ```
///
/// **Clones** are handles of the same connection. One task has it: it answers pings, and over a
/// [`ReconnectingClient`] it connects again. Dropping the last clone and all [`Replies`] closes the
/// connection with code 1000 and ends [`Events`], [`Others`] and [`Asked`], which do not keep it
/// open.
///
/// **The start.** The task reads from the first use on: a call, an `emit`, or a poll of a stream;
/// but at the latest after one second. So no event is missed if the program subscribes before it
/// awaits anything else.
///
/// **A lost connection** fails all calls without a reply with [`CallFailed::Lost`]. None is sent
/// again. Calls fail with [`CallFailed::NotConnected`] until there is a new connection.
/// Subscriptions continue over it. The server does not know the old connection: await a change of
/// [`watch`](Self::watch) to join rooms again.
///
/// **The format** is JSON, or MessagePack if the server has chosen the subprotocol `msgpack` and
/// the feature `msgpack` is on.
#[derive(Clone)]
pub struct TypedClient {
    handle: Handle,
    router: Arc<Router>,
    call_deadline: Duration,
}

impl ClientBuilder {
    /// Connects, and returns a client of typed handlers; the same as
    /// `connect().await?.typed()`.
    ///
    /// For one that connects again: `reconnect(policy).await?.typed()`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn typed(self) -> Result<TypedClient, ConnectError> {
        Ok(self.connect().await?.typed())
    }
}

impl Client {
    /// Converts it into a client of typed handlers. A task of the current runtime owns the
    /// connection from now on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn typed(self) -> TypedClient {
        let (send_deadline, call_deadline) = (self.send_deadline, self.call_deadline);
        TypedClient::new(self, send_deadline, call_deadline)
    }
}

impl ReconnectingClient {
    /// Converts it into a client of typed handlers. A task of the current runtime owns the
    /// connection from now on, and connects again after a loss.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn typed(self) -> TypedClient {
        let (send_deadline, call_deadline) = (self.send_deadline(), self.call_deadline());
        TypedClient::new(self, send_deadline, call_deadline)
    }
}

impl TypedClient {
    fn new(link: impl Link, send_deadline: Duration, call_deadline: Duration) -> Self {
        let format = Format::of(link.current().and_then(Client::subprotocol));
        let router = Router::new(format, send_deadline);
        let handle = driver::spawn(link, RouterInbox::new(Arc::clone(&router)), send_deadline);
        Self { handle, router, call_deadline }
    }

    /// Calls a handler with one reply, when the returned value is awaited.
    ///
    /// A handler may send no reply, for example if it returns `None`: that is
    /// [`CallFailed::NoReply`]. At most 1024 calls wait for a reply.
    ///
    /// If the future is dropped early, the server may still handle the call; its reply is dropped.
    ///
    /// # Errors
    /// See [`CallFailed`]. The deadline is 10 s unless
    /// [`call_deadline`](ClientBuilder::call_deadline) or [`timeout`](PendingCall::timeout) sets
    /// another.
    pub fn call<C>(&self, call: &C) -> PendingCall<'_, C::Reply>
    where
        C: WsCall<Replies = OneReply<<C as WsCall>::Reply>> + Serialize + ?Sized,
        C::Reply: DeserializeOwned,
    {
        PendingCall::new(self, self.encode(C::NAME, call))
    }

    /// Calls a handler with many replies; the call is sent when the returned stream is polled
    /// first.
    ///
    /// # Errors
    /// Each item is a reply or a [`CallFailed`], after which the stream ends. A reply that does not
    /// decode, [`CallFailed::Invalid`], does not end it.
    pub fn stream<C>(&self, call: &C) -> Replies<C::Reply>
    where
        C: WsCall<Replies = ManyReplies<<C as WsCall>::Reply>> + Serialize + ?Sized,
        C::Reply: DeserializeOwned,
    {
        Replies::new(self, self.encode(C::NAME, call))
    }

    /// Sends an event without a `ref`, and waits until the socket has it. It gets no reply, and a
    /// failure at the server comes as an error event to [`others`](Self::others).
    ///
    /// # Errors
    /// As [`ClientSender::send`](super::ClientSender::send), or [`ClientError::Serialize`].
    pub async fn emit<E: WsEvent + Serialize + ?Sized>(&self, event: &E) -> Result<(), ClientError> {
        self.router.start();
        let message = self.router.format().encode(E::NAME, event, None);
        self.handle.send(message.map_err(|error| ClientError::Serialize(not_encoded(error)))?).await
    }

    /// Subscribes to the events of a type, from now on: those that the server sends without a call.
    /// Each subscriber gets all of them.
    pub fn events<E: WsEvent + DeserializeOwned>(&self) -> Events<E> {
        Events::new(Arc::clone(&self.router))
    }

    /// Takes the server's asks of a type, from now on. A second call for the same name ends the
    /// stream of the first, because an ask has one answer.
    ///
    /// An ask without a reader is refused with the code `unknown_event`.
    pub fn asked<A: WsAsk + DeserializeOwned>(&self) -> Asked<A> {
        Asked::new(Arc::clone(&self.router))
    }

    /// Subscribes to the messages without another reader: events without a subscriber, error events
    /// without a `ref`, and messages that are not envelopes.
    ///
    /// Without such a subscriber they are dropped. A warning is logged at most once a minute, with
    /// the number of messages since the last warning. A reply whose call does not wait any more is
    /// dropped and logged at debug level.
    pub fn others(&self) -> Others {
        Others::new(Arc::clone(&self.router))
    }

    /// Returns whether there is a connection, and why not.
    pub fn state(&self) -> ClientState {
        self.router.state().borrow().clone()
    }

    /// Returns a receiver of the state. A connection that is lost and replaced between two reads
    /// shows as a change to [`ClientState::Open`].
    ///
    /// Its `borrow` holds a lock that the task needs, so do not keep the reference over an await.
    pub fn watch(&self) -> watch::Receiver<ClientState> {
        self.router.state().subscribe()
    }

    /// Closes the connection as [`Client::close`] does, for all clones. Calls without a reply fail
    /// with [`CallFailed::Lost`].
    ///
    /// # Errors
    /// As [`ClientSender::close`](super::ClientSender::close).
    pub async fn close(&self, code: u16, reason: impl AsRef<str>) -> Result<CloseReason, ClientError> {
        self.handle.close(code, reason.as_ref()).await
    }

    fn encode<C: Serialize + ?Sized>(&self, event: &str, call: &C) -> Encoded {
        let id = self.router.next_ref();
        let message = self.router.format().encode_ask(event, call, &id.to_string());
        Encoded { id, message: message.map_err(not_encoded) }
    }
}

impl fmt::Debug for TypedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedClient").field("state", &self.state()).finish_non_exhaustive()
    }
}
