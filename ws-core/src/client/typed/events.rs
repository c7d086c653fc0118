//! [`Events`] and [`Others`]: what the server sends without a `ref`.

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{
    failed::EventFailed,
    router::{Arrived, Router},
};
use crate::{envelope::WsEvent, wire::Message};

/// The events of one type; made by [`TypedClient::events`](super::TypedClient::events).
///
/// It is a [`Stream`] that goes on over new connections and ends when the client is closed for
/// good. At most 64 events wait for the reader. Of more, the oldest are dropped, and the next item
/// is [`EventFailed::Lagged`] with their number; other readers and the connection do not wait.
///
/// It does not keep the connection open, which ends with the last
/// [`TypedClient`](super::TypedClient).
///
/// ```
/// use serde::Deserialize;
/// use ws_core::{WsEvent, client::TypedClient};
///
/// #[derive(Deserialize, WsEvent)]
/// #[ws_event("said")]
/// struct Said {
///     text: String,
/// }
///
/// async fn print(client: &TypedClient) {
///     let mut events = client.events::<Said>();
///     while let Some(event) = events.next().await {
///         match event {
///             Ok(said) => println!("{}", said.text),
///             Err(failed) => println!("{failed}"),
///         }
///     }
/// }
/// ```
pub struct Events<E> {
    arrivals: Arrivals,
    event: PhantomData<fn() -> E>,
}

impl<E: WsEvent + DeserializeOwned> Events<E> {
    pub(super) fn new(router: Arc<Router>) -> Self {
        let arrived = BroadcastStream::new(router.subscribe(E::NAME));
        Self { arrivals: Arrivals { router, arrived }, event: PhantomData }
    }

    /// Returns the next event; `None` when there will be no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<E, EventFailed>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<E: WsEvent + DeserializeOwned> Stream for Events<E> {
    type Item = Result<E, EventFailed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let arrived = ready!(self.arrivals.poll_next(cx));
        let event = arrived.map(|arrived| arrived?.decode().map_err(EventFailed::Invalid));
        Poll::Ready(event)
    }
}

/// The messages that nobody else takes; made by
/// [`TypedClient::others`](super::TypedClient::others).
///
/// It is a [`Stream`] with the limits of [`Events`].
///
/// ```
/// use ws_core::client::TypedClient;
///
/// async fn print_unexpected(client: &TypedClient) {
///     let mut others = client.others();
///     while let Some(Ok(message)) = others.next().await {
///         println!("{message:?}");
///     }
/// }
/// ```
pub struct Others {
    arrivals: Arrivals,
}

impl Others {
    pub(super) fn new(router: Arc<Router>) -> Self {
        let arrived = BroadcastStream::new(router.subscribe_to_others());
        Self { arrivals: Arrivals { router, arrived } }
    }

    /// Returns the next message; `None` when there will be no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Message, EventFailed>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Others {
    type Item = Result<Message, EventFailed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let arrived = ready!(self.arrivals.poll_next(cx));
        Poll::Ready(arrived.map(|arrived| arrived.map(|arrived| arrived.message)))
    }
}

/// A subscription, before its messages are decoded.
struct Arrivals {
    router: Arc<Router>,
    arrived: BroadcastStream<Arrived>,
}

impl Arrivals {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Arrived, EventFailed>>> {
        self.router.start();
        Pin::new(&mut self.arrived).poll_next(cx).map_err(|error| match error {
            BroadcastStreamRecvError::Lagged(dropped) => EventFailed::Lagged(dropped),
        })
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").finish_non_exhaustive()
    }
}
