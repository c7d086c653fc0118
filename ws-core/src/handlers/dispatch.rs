//! [`HandlerFns`]: the handlers of a block as functions, and the choice of the one that a message
//! is for.
//!
//! Generated code has a short function for each handler. Everything else is here and is compiled
//! once: reading the envelope, choosing the handler, and running it inside the interceptors. It is
//! not generic, because [`Dispatch`] hides the types of the controller and of its kept values.

use std::any::Any;

use bytes::Bytes;

use super::{
    Input, Replier,
    interceptor::{Callback, CallbackKind, InterceptorFuture, intercepted},
    sending::Sending,
};
use crate::{
    connection::Connection,
    envelope::{Envelope, EventError, ReplyTo},
    error::{Error, Result},
    request::{HandlerCallback, Kept, Needs, Setup},
    telemetry::Outcome,
    wire::{CloseReason, Message},
};

/// One handler of the controller `C`. `K` are the values that are kept with a connection.
#[derive(Debug)]
pub struct HandlerFn<C, K> {
    /// Its callback.
    pub on: HandlerCallback,
    /// Makes its parameters and calls it.
    pub run: for<'a> fn(&'a C, &'a K, &mut Input<'a>) -> Result<InterceptorFuture<'a>>,
}

/// The handlers of the controller `C`.
#[derive(Debug)]
pub struct HandlerFns<C: 'static, K: 'static> {
    /// Adds the requirements of the handlers, for the checks at start.
    pub need: fn(&mut Needs),
    /// Makes the values that are kept with a connection.
    pub keep: fn(&Setup<'_>) -> Result<K>,
    /// The handlers, in source order.
    pub functions: &'static [HandlerFn<C, K>],
}

/// [`HandlerFns`] without its types.
pub trait Dispatch: Sync {
    /// Returns the requirements of the handlers.
    fn needs(&self) -> Needs;

    /// Makes the values that are kept with a connection.
    ///
    /// # Errors
    /// The error that refuses the handshake.
    fn keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>>;

    /// Returns whether there is a handler of an event or of unknown events.
    fn reads_events(&self) -> bool;

    /// Returns the index of the first handler whose callback matches.
    fn find(&self, is_meant: &dyn Fn(HandlerCallback) -> bool) -> Option<usize>;

    /// Returns the index of the handler of an event.
    fn find_event(&self, name: &str) -> Option<usize>;

    /// Makes the parameters of a handler and calls it.
    ///
    /// # Errors
    /// The error of a parameter.
    fn run<'a>(
        &self,
        index: usize,
        controller: &'a (dyn Any + Send + Sync),
        input: &mut Input<'a>,
    ) -> Result<InterceptorFuture<'a>>;
}

impl<C: 'static, K: Send + Sync + 'static> Dispatch for HandlerFns<C, K> {
    fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        (self.need)(&mut needs);
        needs
    }

    fn keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>> {
        Ok(Some(Box::new((self.keep)(setup)?)))
    }

    fn reads_events(&self) -> bool {
        self.functions
            .iter()
            .any(|function| matches!(function.on, HandlerCallback::Event(_) | HandlerCallback::Unknown))
    }

    fn find(&self, is_meant: &dyn Fn(HandlerCallback) -> bool) -> Option<usize> {
        self.functions.iter().position(|function| is_meant(function.on))
    }

    fn find_event(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(
            |function| matches!(function.on, HandlerCallback::Event(names) if names.contains(&name)),
        )
    }

    fn run<'a>(
        &self,
        index: usize,
        controller: &'a (dyn Any + Send + Sync),
        input: &mut Input<'a>,
    ) -> Result<InterceptorFuture<'a>> {
        // A block that keeps nothing can also be called by another controller.
        let nothing: &dyn Any = &();
        let kept = input.connection().kept::<K>().or_else(|| nothing.downcast_ref());
        match (self.functions.get(index), controller.downcast_ref(), kept) {
            (Some(function), Some(controller), Some(kept)) => (function.run)(controller, kept, input),
            _ => Err(Error::new("this connection was not opened by its controller's own route")),
        }
    }
}

/// The handlers of a controller, with the controller.
#[derive(Clone, Copy)]
struct Bound<'a> {
    functions: &'static dyn Dispatch,
    controller: &'a (dyn Any + Send + Sync),
}

impl<'a> Bound<'a> {
    /// Runs a handler. Its parameters are made when the future is polled, so that interceptors can
    /// handle their errors.
    async fn run(self, index: usize, mut input: Input<'a>) -> Result {
        self.functions.run(index, self.controller, &mut input)?.await
    }

    /// Returns the future of a handler inside the interceptors of its route. If there are none, it
    /// is the future of the handler itself, or the error of a parameter.
    fn start(
        self,
        index: usize,
        callback: Callback<'a>,
        mut input: Input<'a>,
    ) -> Result<InterceptorFuture<'a>> {
        if callback.is_plain() {
            return self.functions.run(index, self.controller, &mut input);
        }
        Ok(Box::pin(intercepted(callback, self.run(index, input))))
    }

    /// Runs the handler of a callback that has no message; nothing if there is none.
    async fn run_on(self, is_meant: fn(HandlerCallback) -> bool, input: Input<'a>) -> Result {
        match self.functions.find(&is_meant) {
            Some(index) => self.run(index, input).await,
            None => Ok(()),
        }
    }

    /// Runs the handler of a ping or a pong.
    async fn control(
        self,
        conn: &Connection,
        payload: Bytes,
        is_meant: fn(HandlerCallback) -> bool,
    ) -> Result {
        let (to, mut message) = (Replier::plain(conn), Message::Binary(payload));
        let input = Input::message(&to, &mut message);
        to.settle(Bound::run_on(self, is_meant, input).await)
    }

    async fn message(self, conn: &Connection, mut message: Message) -> Result {
        let mut fault = None;
        if self.functions.reads_events() {
            match Envelope::read(conn.format(), &message) {
                Ok(envelope) => return self.event(conn, &message, &envelope).await,
                Err(error) => fault = Some(error),
            }
        }
        let to = Replier::plain(conn);
        let is_text = matches!(message, Message::Text(_));
        let own = |on| {
            if is_text { matches!(on, HandlerCallback::Text) } else { matches!(on, HandlerCallback::Binary) }
        };
        let found = self
            .functions
            .find(&own)
            .or_else(|| self.functions.find(&|on| matches!(on, HandlerCallback::Message)));
        let result = match (found, fault) {
            (Some(index), _) => {
                let callback = Callback::new(conn, CallbackKind::Message);
                match Bound::start(self, index, callback, Input::message(&to, &mut message)) {
                    Ok(handling) => handling.await,
                    Err(error) => Err(error),
                }
            }
            (None, Some(fault)) => no_event(conn, &message, fault),
            (None, None) => Err(EventError::unsupported(&message).into()),
        };
        to.settle(result)
    }

    async fn event(self, conn: &Connection, message: &Message, envelope: &Envelope<'_>) -> Result {
        let event = envelope.event();
        conn.begin_event(event);
        let to = Replier::event(conn, envelope);
        let found = match self.functions.find_event(event) {
            None if event != "ping" => self.functions.find(&|on| matches!(on, HandlerCallback::Unknown)),
            found => found,
        };
        let result = match found {
            Some(index) => {
                let callback = Callback::new(conn, CallbackKind::Event(event));
                match Bound::start(self, index, callback, Input::event(&to, message, envelope)) {
                    Ok(handling) => handling.await,
                    Err(error) => Err(error),
                }
            }
            None if event == "ping" => Sending::message(conn, to.encode("pong", &())).await,
            None => unknown_event(event),
        };
        if result.is_ok() {
            // The session counts failures, with panics and timeouts.
            conn.end_event(Outcome::Ok);
        }
        to.finish(result).await
    }
}

/// Handles a message.
///
/// The future is boxed, because it would take room in each idle connection.
pub fn on_message(
    functions: &'static dyn Dispatch,
    controller: &(dyn Any + Send + Sync),
    conn: &Connection,
    message: Message,
) -> impl Future<Output = Result> + Send {
    Box::pin(Bound { functions, controller }.message(conn, message))
}

/// Runs `on_open`.
///
/// # Errors
/// The error of the handler.
pub async fn on_open(
    functions: &'static dyn Dispatch,
    controller: &(dyn Any + Send + Sync),
    conn: &Connection,
) -> Result {
    let to = Replier::plain(conn);
    Bound { functions, controller }
        .run_on(|on| matches!(on, HandlerCallback::Open), Input::nothing(&to))
        .await
}

/// Runs `on_ping`.
///
/// # Errors
/// The error of the handler.
pub async fn on_ping(
    functions: &'static dyn Dispatch,
    controller: &(dyn Any + Send + Sync),
    conn: &Connection,
    payload: Bytes,
) -> Result {
    Bound { functions, controller }.control(conn, payload, |on| matches!(on, HandlerCallback::Ping)).await
}

/// Runs `on_pong`.
///
/// # Errors
/// The error of the handler.
pub async fn on_pong(
    functions: &'static dyn Dispatch,
    controller: &(dyn Any + Send + Sync),
    conn: &Connection,
    payload: Bytes,
) -> Result {
    Bound { functions, controller }.control(conn, payload, |on| matches!(on, HandlerCallback::Pong)).await
}

/// Runs `on_close`.
///
/// # Errors
/// The error of the handler.
pub async fn on_close(
    functions: &'static dyn Dispatch,
    controller: &(dyn Any + Send + Sync),
    conn: &Connection,
    reason: CloseReason,
) -> Result {
    let to = Replier::plain(conn);
    Bound { functions, controller }
        .run_on(|on| matches!(on, HandlerCallback::Close), Input::end(&to, reason))
        .await
}

/// Makes the error for an event without a handler.
#[cold]
fn unknown_event(event: &str) -> Result {
    Err(EventError::UnknownEvent { event: event.chars().take(64).collect() }.into())
}

/// Makes the error for a message that is not an event and that no handler takes as it is. If the
/// message has a `ref`, the error has it too.
#[cold]
fn no_event(conn: &Connection, message: &Message, fault: EventError) -> Result {
    let reference = Envelope::reference_of(conn.format(), message);
    Err(Error::from(fault).in_reply_to(ReplyTo::new(conn.format(), reference)))
}
