//! [`Asked`] and [`Question`]: the server's asks, and their answers.
//!
//! Every question gets an answer: one that nobody takes, that does not decode or that is dropped is
//! refused with an error event.

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    failed::not_encoded,
    router::{Arrived, Router},
};
use crate::{
    client::{driver::Outgoing, error::ClientError},
    envelope::{ErrorData, Format, WsAsk},
    wire::Message,
};

/// The side that waits for the answer to one question.
pub(super) struct Asker {
    router: Arc<Router>,
    reference: String,
    format: Format,
    /// The number of connections that were lost before the question arrived.
    losses: u64,
    is_answered: AtomicBool,
}

impl Asker {
    pub(super) fn new(router: Arc<Router>, reference: &str, format: Format, losses: u64) -> Self {
        let reference = reference.to_owned();
        Self { router, reference, format, losses, is_answered: AtomicBool::new(false) }
    }

    /// Gives the question to who takes questions of its name, or refuses it.
    pub(super) fn give_to(self, taker: Option<mpsc::Sender<(Arrived, Self)>>, question: Arrived) {
        let unwanted = |asker: Self| asker.refuse("unknown_event", "the client does not take this ask");
        let Some(taker) = taker else { return unwanted(self) };
        match taker.try_send((question, self)) {
            Ok(()) => {}
            Err(TrySendError::Closed((_, asker))) => unwanted(asker),
            Err(TrySendError::Full((_, asker))) => {
                asker.refuse("busy", "too many asks of this name wait at the client");
            }
        }
    }

    /// Queues a refusal without a wait.
    fn refuse(&self, code: &str, message: &str) {
        self.is_answered.store(true, Ordering::Relaxed);
        let refused = self
            .refusal(code, message)
            .and_then(|message| self.router.answer(self.losses, Outgoing { message, sent: None }));
        if let Err(error) = refused {
            tracing::debug!(code, %error, "an ask of the server is not answered");
        }
    }

    fn refusal(&self, code: &str, message: &str) -> Result<Message, ClientError> {
        self.encode("error", &ErrorData { code, message, path: "", fields: &Value::Null })
    }

    fn encode<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Message, ClientError> {
        let encoded = self.format.encode_ask(event, data, &self.reference);
        encoded.map_err(|error| ClientError::Serialize(not_encoded(error)))
    }

    /// Sends an answer, and waits until the socket has it.
    async fn answer(&self, message: Message) -> Result<(), ClientError> {
        let (sent, result) = oneshot::channel();
        self.router.answer(self.losses, Outgoing { message, sent: Some(sent) })?;
        self.is_answered.store(true, Ordering::Relaxed);
        let after = self.router.send_deadline();
        match tokio::time::timeout(after, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ClientError::Closed(self.router.lost())),
            Err(_) => Err(ClientError::Timeout { after }),
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if !*self.is_answered.get_mut() {
            self.refuse("not_answered", "the client did not answer");
        }
    }
}

/// The server's asks of one type; made by [`TypedClient::asked`](super::TypedClient::asked).
///
/// It is a [`Stream`] that goes on over new connections and ends when the client is closed for
/// good, or when somebody else takes the asks of this name. At most 16 asks wait for the reader;
/// more are refused with `busy`. An ask that does not decode is refused with `invalid_data`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_core::{WsEvent, client::{ClientError, TypedClient}};
///
/// #[derive(Serialize, Deserialize, WsEvent)]
/// #[ws_event("confirm", answer = bool)]
/// struct Confirm {
///     amount: u32,
/// }
///
/// async fn confirm_small_amounts(client: &TypedClient) -> Result<(), ClientError> {
///     let mut asked = client.asked::<Confirm>();
///     while let Some(question) = asked.next().await {
///         question.answer(question.amount < 100).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct Asked<A> {
    router: Arc<Router>,
    questions: mpsc::Receiver<(Arrived, Asker)>,
    ask: PhantomData<fn() -> A>,
}

impl<A: WsAsk + DeserializeOwned> Asked<A> {
    pub(super) fn new(router: Arc<Router>) -> Self {
        let questions = router.take_questions(A::NAME);
        Self { router, questions, ask: PhantomData }
    }

    /// Returns the next ask; `None` when there will be no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Question<A>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<A: WsAsk + DeserializeOwned> Stream for Asked<A> {
    type Item = Question<A>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.router.start();
        loop {
            let Some((arrived, asker)) = ready!(self.questions.poll_recv(cx)) else {
                return Poll::Ready(None);
            };
            match arrived.decode() {
                Ok(data) => return Poll::Ready(Some(Question { data, asker })),
                Err(fault) => asker.refuse("invalid_data", &fault),
            }
        }
    }
}

impl<A> fmt::Debug for Asked<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

/// An ask of the server; it derefs to the data of the ask.
///
/// One that is dropped without an answer is refused with `not_answered`.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use ws_core::WsEvent;
/// use ws_core::client::{ClientError, Question};
///
/// # #[derive(Serialize, Deserialize, WsEvent)]
/// # #[ws_event("confirm", answer = bool)]
/// # struct Confirm {
/// #     amount: u32,
/// # }
/// async fn decide(question: Question<Confirm>) -> Result<(), ClientError> {
///     match question.amount {
///         0..100 => question.answer(true).await,
///         _ => question.refuse("too_much", "at most 99").await,
///     }
/// }
/// ```
pub struct Question<A> {
    data: A,
    asker: Asker,
}

impl<A: WsAsk> Question<A> {
    /// Answers, and waits until the socket has the answer. A second answer is dropped by the
    /// server. If the future is dropped early, the answer may not be sent.
    ///
    /// # Errors
    /// - [`ClientError::Closed`] or [`ClientError::Reconnecting`] when the connection that asked is
    ///   lost. A new connection does not get the answer.
    /// - [`ClientError::Timeout`] when the server does not read: the send deadline passed, or 64
    ///   answers wait already.
    /// - [`ClientError::Serialize`] when the answer cannot be serialised.
    pub async fn answer(&self, answer: A::Answer) -> Result<(), ClientError>
    where
        A::Answer: Serialize,
    {
        let message = self.asker.encode(A::NAME, &answer)?;
        self.asker.answer(message).await
    }

    /// Refuses with an error event: a machine code, and a text for people. The server gets
    /// [`AskError::Refused`](crate::connection::AskError::Refused).
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn refuse(&self, code: &str, message: &str) -> Result<(), ClientError> {
        let refusal = self.asker.refusal(code, message)?;
        self.asker.answer(refusal).await
    }
}

impl<A> Deref for Question<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.data
    }
}

impl<A: fmt::Debug> fmt::Debug for Question<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("data", &self.data).finish_non_exhaustive()
    }
}
