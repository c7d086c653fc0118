//! [`PendingCall`] and [`Replies`]: a call with one reply, and a call with many.

use std::{
    future::{IntoFuture, poll_fn},
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, time::Sleep};

use super::{
    TypedClient,
    failed::CallFailed,
    router::{Arrived, Outcome, Registration},
};
use crate::{client::error::ClientError, wire::Message};

/// The replies of a stream that wait for its reader.
const BUFFER: usize = 256;

/// A call that is encoded and not sent yet.
pub(super) struct Encoded {
    pub(super) id: u64,
    pub(super) message: Result<Message, serde_json::Error>,
}

/// A call that is sent when it is awaited; made by [`TypedClient::call`].
///
/// ```
/// use std::time::Duration;
/// use serde::Serialize;
/// use ws_core::{WsEvent, client::{CallFailed, TypedClient}};
///
/// #[derive(Serialize, WsEvent)]
/// #[ws_event("add", reply = u32)]
/// struct Add(u32, u32);
///
/// async fn add(client: &TypedClient) -> Result<u32, CallFailed> {
///     client.call(&Add(1, 2)).timeout(Duration::from_secs(2)).await
/// }
/// ```
#[must_use = "nothing is sent until this is awaited"]
pub struct PendingCall<'a, R> {
    client: &'a TypedClient,
    call: Encoded,
    timeout: Duration,
    reply: PhantomData<fn() -> R>,
}

impl<'a, R: DeserializeOwned> PendingCall<'a, R> {
    pub(super) fn new(client: &'a TypedClient, call: Encoded) -> Self {
        Self { client, call, timeout: client.call_deadline, reply: PhantomData }
    }

    /// Sets how long to wait for the reply, including the wait until the call is sent. The default
    /// is [`call_deadline`](crate::client::ClientBuilder::call_deadline).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn run(self) -> Result<R, CallFailed> {
        let after = self.timeout;
        let called = self.client.call_encoded(self.call);
        let arrived = tokio::time::timeout(after, called)
            .await
            .map_err(|_| CallFailed::TimedOut { after })??
            .ok_or(CallFailed::NoReply)?;
        arrived.decode().map_err(CallFailed::Invalid)
    }
}

impl TypedClient {
    /// Sends a call and waits for its outcome, without a deadline.
    async fn call_encoded(&self, call: Encoded) -> Result<Option<Arrived>, CallFailed> {
        self.router.start();
        let message = call.message?;
        let (outcome, _registration) = self.router.begin_one(call.id)?;
        self.handle.send(message).await.map_err(CallFailed::not_sent)?;
        match outcome.await {
            Ok(outcome) => outcome.into_reply(),
            // The router gives every call an outcome before it forgets it.
            Err(_) => Err(CallFailed::Lost(self.router.lost())),
        }
    }
}

impl<'a, R: DeserializeOwned + 'a> IntoFuture for PendingCall<'a, R> {
    type Output = Result<R, CallFailed>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<R> std::fmt::Debug for PendingCall<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingCall").field("id", &self.call.id).field("timeout", &self.timeout).finish()
    }
}

/// The replies to a call with many; made by [`TypedClient::stream`].
///
/// It is a [`Stream`] that ends when the server has completed the call, or after an error. It sends
/// the call when it is polled first. Dropping it drops the replies that still arrive; the server is
/// not told.
///
/// At most 256 replies wait for the reader, or as many as [`buffer`](Self::buffer) says. One more
/// ends the stream with [`CallFailed::Lagged`]: other replies and events do not wait for a slow
/// reader.
///
/// ```
/// use serde::Serialize;
/// use ws_core::{WsEvent, client::{CallFailed, TypedClient}};
///
/// #[derive(Serialize, WsEvent)]
/// #[ws_event("history", stream = String)]
/// struct History {
///     days: u32,
/// }
///
/// async fn print(client: &TypedClient) -> Result<(), CallFailed> {
///     let mut lines = client.stream(&History { days: 7 });
///     while let Some(line) = lines.next().await {
///         println!("{}", line?);
///     }
///     Ok(())
/// }
/// ```
#[must_use = "nothing is sent until this is polled"]
pub struct Replies<R> {
    client: TypedClient,
    step: Step,
    timeout: Duration,
    buffer: usize,
    /// Measures the wait for the next reply, while there is one.
    timer: Option<Pin<Box<Sleep>>>,
    reply: PhantomData<fn() -> R>,
}

enum Step {
    New(Encoded),
    Sending(Pin<Box<dyn Future<Output = Result<(), ClientError>> + Send>>, Receiving),
    Receiving(Receiving),
    Done,
}

struct Receiving {
    outcomes: mpsc::Receiver<Outcome>,
    _registration: Registration,
}

impl<R: DeserializeOwned> Replies<R> {
    pub(super) fn new(client: &TypedClient, call: Encoded) -> Self {
        Self {
            client: client.clone(),
            step: Step::New(call),
            timeout: client.call_deadline,
            buffer: BUFFER,
            timer: None,
            reply: PhantomData,
        }
    }

    /// Sets how long to wait for each reply; the wait for the first one includes the wait until the
    /// call is sent. The default is
    /// [`call_deadline`](crate::client::ClientBuilder::call_deadline).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets how many replies may wait for the reader; at least 1.
    pub fn buffer(self, replies: usize) -> Self {
        // The limit of Tokio's channel, less the place for the end.
        Self { buffer: replies.clamp(1, usize::MAX >> 4), ..self }
    }

    /// Returns the next reply; `None` when the call is completed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<R, CallFailed>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Arrived>, CallFailed>> {
        loop {
            match std::mem::replace(&mut self.step, Step::Done) {
                Step::New(call) => {
                    self.client.router.start();
                    let message = call.message?;
                    let (outcomes, registration) = self.client.router.begin_many(call.id, self.buffer)?;
                    let handle = self.client.handle.clone();
                    let sending = Box::pin(async move { handle.send(message).await });
                    self.step = Step::Sending(sending, Receiving { outcomes, _registration: registration });
                }
                Step::Sending(mut sending, receiving) => match sending.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => self.step = Step::Receiving(receiving),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(CallFailed::not_sent(error))),
                    Poll::Pending => {
                        self.step = Step::Sending(sending, receiving);
                        return Poll::Pending;
                    }
                },
                Step::Receiving(mut receiving) => match receiving.outcomes.poll_recv(cx) {
                    Poll::Ready(Some(outcome)) => {
                        let reply = outcome.into_reply();
                        if let Ok(Some(_)) = reply {
                            self.step = Step::Receiving(receiving);
                        }
                        return Poll::Ready(reply);
                    }
                    // The router gives every call an outcome before it forgets it.
                    Poll::Ready(None) => {
                        return Poll::Ready(Err(CallFailed::Lost(self.client.router.lost())));
                    }
                    Poll::Pending => {
                        self.step = Step::Receiving(receiving);
                        return Poll::Pending;
                    }
                },
                Step::Done => return Poll::Ready(Ok(None)),
            }
        }
    }
}

impl<R: DeserializeOwned> Stream for Replies<R> {
    type Item = Result<R, CallFailed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Poll::Ready(reply) = this.poll_reply(cx) else {
            let after = this.timeout;
            let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
            ready!(timer.as_mut().poll(cx));
            this.step = Step::Done;
            return Poll::Ready(Some(Err(CallFailed::TimedOut { after })));
        };
        // The next wait begins when the reader polls again.
        this.timer = None;
        Poll::Ready(match reply {
            Ok(Some(arrived)) => Some(arrived.decode().map_err(CallFailed::Invalid)),
            Ok(None) => None,
            Err(failed) => Some(Err(failed)),
        })
    }
}

impl<R> std::fmt::Debug for Replies<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
