//! Interceptors: functions that run around the callbacks of controllers, as middleware runs around
//! the handshake.
//!
//! [`intercepted`] is the only place that runs them. On a route without interceptors it returns the
//! handler's own future, so that such a route allocates no box.

use std::{
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tracing::{Instrument as _, Level, Span, field};

use crate::{
    connection::Connection,
    error::Result,
    function::{Function, StateParams, for_each_number_of_states},
    layer::Layer,
    place::Scope,
    recovery::ErrorHandlers,
    state::{FromState, StateKey, States},
};

/// The future of one run of an interceptor.
pub type InterceptorFuture<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// A callback that is about to run: one invocation of a controller's method.
///
/// ```
/// use ws_core::{Result, handlers::{Callback, NextHandler}};
///
/// async fn logged(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
///     println!("{}: {:?}", callback.connection().id(), callback.kind());
///     next.run(callback).await
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[doc(alias("metrics"))]
pub struct Callback<'a> {
    conn: &'a Connection,
    kind: CallbackKind<'a>,
}

/// The kind of a [`Callback`].
///
/// ```
/// use ws_core::handlers::{Callback, CallbackKind};
///
/// fn event_of<'a>(callback: &Callback<'a>) -> Option<&'a str> {
///     match callback.kind() {
///         CallbackKind::Event(name) => Some(name),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackKind<'a> {
    /// `on_open`.
    Open,
    /// `on_message`, or `on_text`, `on_binary` of typed handlers.
    Message,
    /// A ping or pong.
    Control,
    /// An event of typed handlers, with the name that the client sent, also for `on_unknown`.
    Event(&'a str),
    /// `on_close`.
    Close,
}

impl<'a> Callback<'a> {
    pub(crate) fn new(conn: &'a Connection, kind: CallbackKind<'a>) -> Self {
        Self { conn, kind }
    }

    /// Whether the callback runs in a span of its own.
    fn has_span(&self) -> bool {
        matches!(self.kind, CallbackKind::Event(_))
            && tracing::enabled!(target: "ws_core::event", Level::DEBUG)
    }

    /// Whether the handler runs without a span and without interceptors.
    pub(super) fn is_plain(&self) -> bool {
        // The span first: without one, this is only a comparison.
        !self.has_span() && Around::of(self.conn).is_none()
    }

    /// Returns the connection that the callback runs for.
    pub fn connection(&self) -> &'a Connection {
        self.conn
    }

    /// Returns the kind of the callback.
    pub fn kind(&self) -> CallbackKind<'a> {
        self.kind
    }
}

/// The rest of a callback: the remaining interceptors, then the handler.
///
/// ```
/// use ws_core::{Error, Result, handlers::{Callback, NextHandler}};
///
/// /// Refuses callbacks of connections without a user.
/// async fn needs_user(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
///     if callback.connection().user().is_none() {
///         return Err(Error::new("no user").code("forbidden").public("log in first"));
///     }
///     next.run(callback).await
/// }
/// ```
pub struct NextHandler<'a> {
    chain: &'a [Arc<Interceptor>],
    states: &'a States,
    handler: InterceptorFuture<'a>,
}

impl<'a> NextHandler<'a> {
    /// Runs the remaining interceptors and the handler. Without this call the handler does not run.
    ///
    /// # Errors
    /// The error of the handler or of an inner interceptor. Return it to pass it to the error
    /// handlers.
    pub async fn run(self, callback: Callback<'a>) -> Result {
        match self.chain.split_first() {
            Some((interceptor, rest)) => {
                (interceptor.call)(callback, NextHandler { chain: rest, ..self }, self.states).await
            }
            None => self.handler.await,
        }
    }
}

impl std::fmt::Debug for NextHandler<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.chain.iter().map(|interceptor| interceptor.layer.name)).finish()
    }
}

type Call = dyn for<'a> Fn(Callback<'a>, NextHandler<'a>, &'a States) -> InterceptorFuture<'a> + Send + Sync;

/// One interceptor, from the registry or added by hand.
pub(crate) struct Interceptor {
    pub(crate) layer: Layer,
    pub(crate) call: Box<Call>,
}

impl Interceptor {
    #[track_caller]
    pub(crate) fn by_hand<P, I: InterceptorFn<P>>(interceptor: I, scope: Scope) -> Self {
        Self {
            layer: Layer::by_hand::<I>(scope, I::STATE),
            call: Box::new(move |callback, next, states| interceptor.call(callback, next, states)),
        }
    }
}

/// An async function that [`App::interceptor`](crate::App::interceptor) accepts:
/// `async fn(Callback<'_>, NextHandler<'_>) -> Result`, with up to four `State<T>` after the two
/// parameters.
///
/// ```
/// use ws_core::{App, Result, State, handlers::{Callback, NextHandler}};
///
/// #[derive(Clone)]
/// struct Prefix(&'static str);
///
/// async fn logged(
///     callback: Callback<'_>,
///     next: NextHandler<'_>,
///     State(prefix): State<Prefix>,
/// ) -> Result {
///     println!("{} {:?}", prefix.0, callback.kind());
///     next.run(callback).await
/// }
/// let app = App::without_registry().state(Prefix("chat")).interceptor("ws", 0, logged);
/// ```
#[diagnostic::on_unimplemented(
    message = "this function is not an interceptor",
    label = "not an interceptor",
    note = "an interceptor is `async fn(Callback<'_>, NextHandler<'_>) -> Result`, with up to four `State<T>` after these two"
)]
pub trait InterceptorFn<Params>: Send + Sync + 'static {
    #[doc(hidden)]
    const STATE: &'static [fn() -> StateKey];
    #[doc(hidden)]
    fn call<'a>(
        &self,
        callback: Callback<'a>,
        next: NextHandler<'a>,
        states: &'a States,
    ) -> InterceptorFuture<'a>;
}

macro_rules! interceptor_fn {
    ($($state:ident),*) => {
        impl<F, $($state: FromState),*> InterceptorFn<($($state,)*)> for F
        where
            F: for<'a> Function<'a, (Callback<'a>, NextHandler<'a>, $($state),*), Output = Result> + 'static,
        {
            const STATE: &'static [fn() -> StateKey] = <($($state,)*)>::KEYS;

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            fn call<'a>(
                &self,
                callback: Callback<'a>,
                next: NextHandler<'a>,
                states: &'a States,
            ) -> InterceptorFuture<'a> {
                match StateParams::from_states(states) {
                    Ok(($($state,)*)) => Box::pin(self.start((callback, next, $($state),*))),
                    Err(error) => Box::pin(ready(Err(error))),
                }
            }
        }
    };
}

for_each_number_of_states!(interceptor_fn);

pin_project! {
    /// A handler's future, wrapped in the interceptors of its route if there are any.
    #[project = Projected]
    pub enum Intercepted<'a, F> {
        /// The route has no interceptors: the handler's own future.
        None { #[pin] handler: F },
        /// The route has interceptors: the outermost call.
        Some { call: InterceptorFuture<'a> },
    }
}

impl<F: Future<Output = Result>> Future for Intercepted<'_, F> {
    type Output = Result;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result> {
        match self.project() {
            Projected::None { handler } => handler.poll(cx),
            Projected::Some { call } => call.as_mut().poll(cx),
        }
    }
}

/// The interceptors of a route, and the state that they and its handlers use.
#[derive(Default)]
pub(crate) struct Around {
    /// Server-wide interceptors in their order, then those of the route.
    pub(crate) interceptors: Vec<Arc<Interceptor>>,
    pub(crate) states: Arc<States>,
}

impl Around {
    /// Returns the interceptors of the connection's route, if there are any.
    pub(crate) fn of(conn: &Connection) -> Option<&Self> {
        conn.handshake().matched()?.around()?.downcast_ref()
    }

    /// Runs a handler inside the interceptors. `F` is the type of a handler that runs without them,
    /// and is not used.
    pub(crate) fn run<'a, F>(
        &'a self,
        callback: Callback<'a>,
        handler: InterceptorFuture<'a>,
    ) -> Intercepted<'a, F> {
        let next = NextHandler { chain: &self.interceptors, states: &self.states, handler };
        Intercepted::Some { call: Box::pin(next.run(callback)) }
    }
}

/// Runs a handler inside the interceptors of its route.
pub(crate) fn intercepted<'a, F>(callback: Callback<'a>, handler: F) -> Intercepted<'a, F>
where
    F: Future<Output = Result> + Send + 'a,
{
    if callback.has_span() {
        return traced(callback, Box::pin(handler));
    }
    match Around::of(callback.conn) {
        Some(around) => around.run(callback, Box::pin(handler)),
        None => Intercepted::None { handler },
    }
}

/// Names the span after the declared event, because a client may send any name.
fn event_span(conn: &Connection) -> Span {
    let (controller, event) = (conn.controller(), conn.event_label());
    tracing::debug_span!(
        target: "ws_core::event",
        "event",
        otel.name = format_args!("{controller}/{event}"),
        otel.kind = "server",
        rpc.method = event,
        error.r#type = field::Empty,
    )
}

/// Runs a handler inside its interceptors and its span.
#[cold]
fn traced<'a, F>(callback: Callback<'a>, handler: InterceptorFuture<'a>) -> Intercepted<'a, F> {
    let (around, span) = (Around::of(callback.conn), event_span(callback.conn));
    let call = async move {
        let mut result = match around {
            Some(around) => around.run::<InterceptorFuture<'a>>(callback, handler).await,
            None => handler.await,
        };
        if let Err(error) = &mut result {
            ErrorHandlers::complete_on(callback.conn, error);
            Span::current().record("error.type", error.event_code());
        }
        result
    };
    Intercepted::Some { call: Box::pin(call.instrument(span)) }
}
