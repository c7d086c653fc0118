//! [`IntoReply`]: the types that a handler can return.

use std::{future::poll_fn, pin::pin, task::Poll};

use serde::Serialize;

use super::{Data, Json, Replier, model::ReplyShape, sending::Sending};
use crate::{
    envelope::{ReplyForm, ReplyName},
    error::{Error, Result},
    wire::{Message, SendError, Text},
};

/// The return value of a method under `#[ws_handlers]`, which is sent as the reply.
///
/// | returned | sent | form | name |
/// |---|---|---|---|
/// | `()` | nothing; a call with a `ref` is completed by the event `end` | `None` | |
/// | a type with [`#[derive(WsEvent)]`](crate::WsEvent) | `{"event": its name, "data": the value, "ref": the same}` | `One` | `Own` |
/// | [`Data<T>`](crate::Data) | `{"event": the same, "data": T, "ref": the same}`; in `#[on_event]` and `#[on_unknown]` only | `One` | `Same` |
/// | [`Event<T>`](Event) | `{"event": its name, "data": T, "ref": the same}` | `One` | `AtRunTime` |
/// | [`Message`], [`Text`] | the message as it is | `One` | `Raw` |
/// | `String`, `&str`, [`Json<T>`](crate::handlers::Json) | the text, or `T` as a JSON text message; not in `#[on_event]` and `#[on_unknown]` | `One` | `Raw` |
/// | [`Stream<S>`](Stream) | each item when the stream yields it | `Many` | that of the items |
/// | `Option<R>` | `R`, or nothing | `Optional` | that of `R` |
/// | `Result<R, E>` | `R`, or the error as described below | that of `R` | that of `R` |
///
/// The last two columns are [`FORM`](Self::FORM) and [`NAME`](Self::NAME). Documents and clients
/// are made from them.
///
/// A reply waits for room in the outbox. An error goes to the error handlers. If no error handler
/// handles it, the client gets `{"event": "error", "data": {"code", "message"}, "ref"}`, and the
/// connection stays open. The code is `internal`, without detail, if the error has no public text.
/// In `on_open` an unhandled error closes the connection. In `on_close` no reply can be sent.
///
/// ```
/// use ws_core::{Result, handlers::{IntoReply, Replier}};
///
/// /// The same answer twice.
/// struct Twice(&'static str);
///
/// impl IntoReply for Twice {
///     async fn reply(self, to: &Replier<'_>) -> Result {
///         to.send(self.0).await?;
///         to.send(self.0).await?;
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply of a handler",
    label = "not a reply",
    note = "a handler returns `()`, a type with `#[derive(WsEvent)]`, `Data<T>`, `Event<T>`, `Json<T>`, `Message`, `Text`, \
            `String`, `&str`, `Stream<S>`, or `Option` and `Result` of these",
    note = "serialisable values are wrapped: `Data(value)` answers an event, `Json(value)` is a whole message"
)]
pub trait IntoReply: Send {
    /// The number of messages. The default is one.
    const FORM: ReplyForm = ReplyForm::One;

    /// The name of the event that is sent. The default is a name that is known only at run time.
    const NAME: ReplyName = ReplyName::AtRunTime;

    /// Whether the type can answer an event. A text without an envelope cannot.
    #[doc(hidden)]
    const MAY_ANSWER: bool = true;

    /// The properties that the rules for replies check.
    #[doc(hidden)]
    const SHAPE: ReplyShape = ReplyShape { form: Self::FORM, name: Self::NAME, may_answer: Self::MAY_ANSWER };

    /// Sends the reply.
    ///
    /// # Errors
    /// The error that the handler returned, or the reason why nothing was sent.
    fn reply(self, to: &Replier<'_>) -> impl Future<Output = Result> + Send;

    /// Begins to send the reply. Generated code calls this, because the future is the same for all
    /// replies.
    #[doc(hidden)]
    fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        Self: Sized + 'r,
    {
        Sending::later(self.reply(to))
    }
}

impl IntoReply for () {
    const FORM: ReplyForm = ReplyForm::None;

    async fn reply(self, to: &Replier<'_>) -> Result {
        self.start(to).await
    }

    fn start<'r>(self, _: &'r Replier<'_>) -> Sending<'r>
    where
        Self: 'r,
    {
        Sending::done(Ok(()))
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    const FORM: ReplyForm = R::FORM.or_none();
    const NAME: ReplyName = R::NAME;
    const MAY_ANSWER: bool = R::MAY_ANSWER;

    async fn reply(self, to: &Replier<'_>) -> Result {
        self.start(to).await
    }

    fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        Self: 'r,
    {
        match self {
            Some(reply) => reply.start(to),
            None => Sending::done(Ok(())),
        }
    }
}

impl<R: IntoReply, E: Into<Error> + Send> IntoReply for Result<R, E> {
    const FORM: ReplyForm = R::FORM;
    const NAME: ReplyName = R::NAME;
    const MAY_ANSWER: bool = R::MAY_ANSWER;

    async fn reply(self, to: &Replier<'_>) -> Result {
        self.start(to).await
    }

    fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        Self: 'r,
    {
        match self {
            Ok(reply) => reply.start(to),
            Err(error) => Sending::done(Err(error.into())),
        }
    }
}

/// Implements `IntoReply` for types that are sent as they are.
macro_rules! as_it_is {
    ($($ty:ty, $may_answer:literal;)*) => {$(
        impl IntoReply for $ty {
            const NAME: ReplyName = ReplyName::Raw;
            const MAY_ANSWER: bool = $may_answer;

            async fn reply(self, to: &Replier<'_>) -> Result {
                self.start(to).await
            }

            fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
            where
                Self: 'r,
            {
                Sending::message(to.connection(), Ok(self.into()))
            }
        }
    )*};
}

as_it_is! {
    Message, true;
    Text, true;
    String, false;
    &str, false;
}

impl<T: Serialize + Send + Sync> IntoReply for Json<T> {
    const NAME: ReplyName = ReplyName::Raw;
    const MAY_ANSWER: bool = false;

    async fn reply(self, to: &Replier<'_>) -> Result {
        self.start(to).await
    }

    fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        Self: 'r,
    {
        let text = serde_json::to_string(&self.0);
        Sending::message(to.connection(), text.map(Message::from).map_err(SendError::from))
    }
}

impl<T: Serialize + Send + Sync> IntoReply for Data<T> {
    const NAME: ReplyName = ReplyName::Same;

    async fn reply(self, to: &Replier<'_>) -> Result {
        self.start(to).await
    }

    fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        Self: 'r,
    {
        Sending::message(to.connection(), to.encode_data(&self.0))
    }
}

/// A reply under its own event name, which can differ from the event of the call.
///
/// ```
/// use ws_core::prelude::*;
///
/// struct Lobby;
///
/// #[ws_handlers]
/// impl Lobby {
///     #[on_open]
///     async fn welcome(&self) -> Event<&'static str> {
///         Event::new("welcome", "have a seat")
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<T> {
    name: &'static str,
    data: T,
}

impl<T> Event<T> {
    /// Makes the event `name` with this data.
    pub fn new(name: &'static str, data: T) -> Self {
        Self { name, data }
    }

    /// Returns the event's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the event's data.
    pub fn data(&self) -> &T {
        &self.data
    }
}

impl<T: Serialize + Send + Sync> IntoReply for Event<T> {
    async fn reply(self, to: &Replier<'_>) -> Result {
        self.start(to).await
    }

    fn start<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        Self: 'r,
    {
        Sending::message(to.connection(), to.encode(self.name, &self.data))
    }
}

/// Many replies, each sent when the stream yields it.
///
/// The next item is polled after the outbox had room for the item before. When the connection
/// closes, the stream is dropped. If the call had a `ref`, the event `end` with the data
/// `{"event": <event of the call>}` is sent after the last item.
///
/// Like any handler, a stream delays the connection's next message until it ends. For a long or an
/// endless stream, take a [`Reply`](super::Reply) and send the stream from a task of the connection
/// ([`Connection::spawn`](crate::Connection::spawn)).
///
/// ```
/// use futures_util::stream;
/// use ws_core::prelude::*;
///
/// struct Counter;
///
/// #[ws_handlers]
/// impl Counter {
///     #[on_event("count")]
///     async fn count(
///         &self,
///         Data(to): Data<u32>,
///     ) -> Stream<impl futures_core::Stream<Item = Data<u32>> + use<>> {
///         Stream::new(stream::iter((1..=to).map(Data)))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct Stream<S>(S);

impl<S: futures_core::Stream> Stream<S> {
    /// Wraps the stream of replies.
    pub fn new(items: S) -> Self {
        Self(items)
    }

    /// Returns the wrapped stream.
    pub fn into_inner(self) -> S {
        self.0
    }
}

/// The connection closed before the next item.
struct ConnectionClosed;

impl<S> IntoReply for Stream<S>
where
    S: futures_core::Stream + Send,
    S::Item: IntoReply,
{
    const FORM: ReplyForm = S::Item::FORM.repeated();
    const NAME: ReplyName = S::Item::NAME;
    const MAY_ANSWER: bool = S::Item::MAY_ANSWER;

    async fn reply(self, to: &Replier<'_>) -> Result {
        let mut items = pin!(self.0);
        let mut closed = pin!(to.connection().closed());
        loop {
            let item = poll_fn(|cx| match closed.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(ConnectionClosed)),
                Poll::Pending => items.as_mut().poll_next(cx).map(Ok),
            });
            match item.await {
                Ok(Some(item)) => item.start(to).await?,
                Ok(None) => return to.send_end().await,
                Err(ConnectionClosed) => {
                    to.leave_incomplete();
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Own;

    impl IntoReply for Own {
        async fn reply(self, _: &Replier<'_>) -> Result {
            Ok(())
        }
    }

    type Items<T> = Stream<tokio_stream::Iter<std::vec::IntoIter<T>>>;

    fn check<R: IntoReply>(form: ReplyForm, name: ReplyName) {
        assert_eq!((R::FORM, R::NAME), (form, name), "{}", std::any::type_name::<R>());
    }

    #[test]
    fn each_reply_has_a_form_and_a_name() {
        check::<()>(ReplyForm::None, ReplyName::AtRunTime);
        check::<Data<u8>>(ReplyForm::One, ReplyName::Same);
        check::<Event<u8>>(ReplyForm::One, ReplyName::AtRunTime);
        check::<Json<u8>>(ReplyForm::One, ReplyName::Raw);
        check::<Message>(ReplyForm::One, ReplyName::Raw);
        check::<&str>(ReplyForm::One, ReplyName::Raw);
        check::<Own>(ReplyForm::One, ReplyName::AtRunTime);
        check::<Option<Data<u8>>>(ReplyForm::Optional, ReplyName::Same);
        check::<Option<Option<Data<u8>>>>(ReplyForm::Optional, ReplyName::Same);
        check::<Result<Data<u8>>>(ReplyForm::One, ReplyName::Same);
        check::<Result<Option<Event<u8>>>>(ReplyForm::Optional, ReplyName::AtRunTime);
        check::<Result<()>>(ReplyForm::None, ReplyName::AtRunTime);
        check::<Option<()>>(ReplyForm::None, ReplyName::AtRunTime);
        check::<Items<Data<u8>>>(ReplyForm::Many, ReplyName::Same);
        check::<Option<Items<Result<Message>>>>(ReplyForm::Many, ReplyName::Raw);
        check::<Items<()>>(ReplyForm::None, ReplyName::AtRunTime);
    }
}
