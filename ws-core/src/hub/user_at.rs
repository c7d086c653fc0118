//! [`UserAt`] and [`UserAsk`]: the connections of a user at one controller, and an ask of one of
//! them, on whichever node it is.
//!
//! An ask is encoded when it is made, for each format that a connection may have, since the
//! connection is chosen later. A connection of this node comes first, without the broker.

use std::{fmt, future::IntoFuture, marker::PhantomData, ops::Deref, pin::Pin, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{target::Target, walk::Walk};
use crate::{
    connection::{AskError, Connection, decode_answer, encode_ask},
    envelope::{Format, WsAsk},
    fixed, random,
    wire::{ConnectionId, Message, SendError},
};

/// The connections of a user at one controller: a [`Target`] of which one connection can be asked.
/// Returned by [`User::at`](super::User::at).
///
/// ```
/// # use ws_core::Controller;
/// # struct Device;
/// # impl Controller for Device {}
/// use ws_core::Hub;
///
/// fn restart(hub: &Hub, device: &str) {
///     let delivery = hub.user(device).at::<Device>().push("restart");
///     println!("sent to {} connections of this node", delivery.sent);
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a user does nothing until something is pushed"]
pub struct UserAt(Target);

impl UserAt {
    pub(super) fn new(target: Target) -> Self {
        Self(target)
    }

    /// All connections of the user at the controller except this one.
    pub fn except(self, id: ConnectionId) -> Target {
        self.0.except(id)
    }

    /// Asks one client of the user, on any node, with an event whose type declares the
    /// answer.
    ///
    /// An open connection of this node is asked first, as [`Connection::ask`] does. Without one,
    /// the other nodes are asked for a connection, for at most a second, and the node of one of
    /// them asks its client. Exactly one client gets the ask. If the user has several connections,
    /// it is not specified which one, unless [`identify_exclusive`](Connection::identify_exclusive)
    /// leaves only one.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use serde::Serialize;
    /// use ws_core::{Hub, connection::AskError, prelude::*};
    ///
    /// struct Device;
    ///
    /// impl Controller for Device {}
    ///
    /// #[derive(Serialize, WsEvent)]
    /// #[ws_event("reboot", answer = bool)]
    /// struct Reboot {
    ///     delay: u32,
    /// }
    ///
    /// async fn reboot(hub: &Hub, id: &str) -> Result<bool, AskError> {
    ///     let device = hub.user(id).at::<Device>();
    ///     device.ask(&Reboot { delay: 5 }).timeout(Duration::from_secs(20)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`AskError::Offline`]: no connection is open on any node.
    /// - [`AskError::Unreachable`]: none is open on this node, and the broker is not reachable or a
    ///   node did not answer within a second.
    /// - [`AskError::NotSent`]: the ask is larger than `cluster.message`, the queue for the broker
    ///   is full, or the broker has refused the ask.
    /// - [`AskError::TooMany`]: 64 asks of the connection, or 1024 of one node to the clients of
    ///   others, are outstanding.
    /// - [`AskError::TimedOut`]: no answer arrived in time (10 s unless
    ///   [`timeout`](UserAsk::timeout) sets another). The client may have acted.
    /// - [`AskError::Closed`]: the connection ended before the answer arrived. The client may have
    ///   acted.
    /// - [`AskError::Refused`] and [`AskError::Invalid`]: the client refused, or its answer does
    ///   not decode or is larger than `cluster.message`.
    #[track_caller]
    pub fn ask<E>(&self, event: &E) -> UserAsk<E::Answer>
    where
        E: WsAsk<Answer: DeserializeOwned> + Serialize + ?Sized,
    {
        if let Some(connection) = self.0.open_member() {
            connection.check_emit::<E>(std::panic::Location::caller());
        }
        self.ask_event(E::NAME, event)
    }

    /// Asks one client of the user, as [`ask`](Self::ask) does. This is for names that are known
    /// only at run time.
    ///
    /// # Errors
    /// The errors of [`ask`](Self::ask).
    pub fn ask_event<R: DeserializeOwned>(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> UserAsk<R> {
        UserAsk::new(self.0.clone(), event, data)
    }
}

impl Deref for UserAt {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.0
    }
}

/// An ask of a user that is sent when it is awaited. Returned by [`UserAt::ask`] and
/// [`UserAt::ask_event`].
///
/// ```
/// # use ws_core::Controller;
/// # struct Device;
/// # impl Controller for Device {}
/// use std::time::Duration;
/// use ws_core::{Hub, connection::AskError};
///
/// async fn temperature(hub: &Hub, device: &str) -> Result<f64, AskError> {
///     let device = hub.user(device).at::<Device>();
///     device.ask_event("temperature?", &()).timeout(Duration::from_secs(3)).await
/// }
/// ```
#[must_use = "nothing is sent until this is awaited"]
pub struct UserAsk<R> {
    target: Target,
    events: Result<Encoded, SendError>,
    timeout: Duration,
    answer: PhantomData<fn() -> R>,
}

/// An ask, encoded for each format that a connection may have.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// The number in the `ref`. It is random, because it is unique on whichever node asks.
    pub(super) reference: u64,
    pub(super) events: Vec<(Format, Message)>,
}

/// The answer of a client, in the format of its connection.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) format: Format,
    pub(super) message: Message,
}

impl<R: DeserializeOwned> UserAsk<R> {
    fn new<T: Serialize + ?Sized>(target: Target, event: &str, data: &T) -> Self {
        let events = Encoded::new(target.live.names().use_msgpack(), event, data);
        Self { target, events, timeout: fixed::ASK_TIMEOUT, answer: PhantomData }
    }

    /// Sets how long to wait for the answer, including the search for a connection. The default is
    /// 10 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn run(self) -> Result<R, AskError> {
        let (target, encoded) = (self.target, self.events?);
        let answered = match target.open_member() {
            Some(connection) => encoded.ask(&connection, self.timeout).await?,
            None => target.ask_other_nodes(encoded, self.timeout).await?,
        };
        decode_answer(answered.format, &answered.message)
    }
}

impl Encoded {
    fn new<T: Serialize + ?Sized>(use_msgpack: bool, event: &str, data: &T) -> Result<Self, SendError> {
        #[cfg(not(feature = "msgpack"))]
        let _ = use_msgpack;
        let reference = random::number();
        let formats = [
            Some(Format::Json),
            #[cfg(feature = "msgpack")]
            use_msgpack.then_some(Format::MsgPack),
        ];
        let encoded = |format| encode_ask(format, event, data, reference).map(|message| (format, message));
        let events = formats.into_iter().flatten().map(encoded).collect::<Result<_, _>>()?;
        Ok(Self { reference, events })
    }

    /// Asks a connection of this node.
    pub(super) async fn ask(
        mut self,
        connection: &Connection,
        timeout: Duration,
    ) -> Result<Answered, AskError> {
        let format = connection.format();
        let at = self.events.iter().position(|(of, _)| *of == format).ok_or_else(no_format)?;
        let (_, message) = self.events.swap_remove(at);
        let message = connection.ask_encoded(self.reference, message, timeout).await?;
        Ok(Answered { format, message })
    }
}

/// The error of an ask of a connection whose format no route of the asking node has.
#[cold]
pub(super) fn no_format() -> AskError {
    let error = "the asking node does not encode the format of the connection";
    AskError::Send(SendError::Serialize(serde::ser::Error::custom(error)))
}

impl Target {
    /// Returns the newest open connection of this node.
    pub(super) fn open_member(&self) -> Option<Connection> {
        let (mut walk, mut newest) = (Walk::new(self), None);
        while walk.advance() {
            let open = walk.turn().rfind(|connection| connection.is_open());
            newest = open.cloned().or(newest);
        }
        newest
    }
}

impl<R: DeserializeOwned + 'static> IntoFuture for UserAsk<R> {
    type Output = Result<R, AskError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<R> fmt::Debug for UserAsk<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAsk").field("target", &self.target).field("timeout", &self.timeout).finish()
    }
}
