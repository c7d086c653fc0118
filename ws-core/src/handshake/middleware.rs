//! Middleware: functions that run around the core step of the handshake.
//!
//! [`Next`] runs the rest of the chain: the inner middleware, then the core step. A middleware runs
//! once per request, within the server's handshake deadline. It has no access to the open
//! connection.

use std::{future::ready, pin::Pin, sync::Arc};

use super::upgrade::DynUpgrade;
use crate::{
    error::Result,
    function::{Function, StateParams, for_each_number_of_states},
    layer::Layer,
    place::Scope,
    request::{Handshake, Response, Security},
    state::{FromState, StateKey, States},
};

/// The future of one middleware call.
pub type MiddlewareFuture<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

/// The rest of the pipeline: the remaining middleware, then the core step.
///
/// ```
/// use std::time::Instant;
/// use ws_core::{Handshake, Next, Response, Result};
///
/// async fn timed(handshake: Handshake, next: Next<'_>) -> Result<Response> {
///     let start = Instant::now();
///     let response = next.run(handshake).await?;
///     println!("{} after {:?}", response.status(), start.elapsed());
///     Ok(response)
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Next<'a> {
    pub(crate) chain: &'a [Arc<Middleware>],
    pub(crate) core: &'a dyn DynUpgrade,
    pub(crate) states: &'a States,
}

impl Next<'_> {
    /// Runs the rest of the pipeline and returns its response. On success it is a 101, and the
    /// middleware may add headers to it.
    ///
    /// # Errors
    /// The error of an inner middleware or of the core step. Return it with `?` to pass it to the
    /// error handlers.
    pub async fn run(self, handshake: Handshake) -> Result<Response> {
        match self.chain.split_first() {
            Some((middleware, rest)) => {
                (middleware.call)(handshake, Next { chain: rest, ..self }, self.states).await
            }
            None => self.core.run(handshake).await,
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.chain.iter().map(|middleware| middleware.layer.name)).finish()
    }
}

type Call = dyn for<'a> Fn(Handshake, Next<'a>, &'a States) -> MiddlewareFuture<'a> + Send + Sync;

/// One middleware, from the registry or added by hand.
pub(crate) struct Middleware {
    pub(crate) layer: Layer,
    /// The declared places from which it accepts a token.
    pub(crate) security: &'static [Security],
    pub(crate) call: Box<Call>,
}

impl Middleware {
    #[track_caller]
    pub(crate) fn by_hand<P, M: MiddlewareFn<P>>(middleware: M, scope: Scope) -> Self {
        Self {
            layer: Layer::by_hand::<M>(scope, M::STATE),
            security: &[],
            call: Box::new(move |handshake, next, states| middleware.call(handshake, next, states)),
        }
    }
}

/// An async function that [`App::middleware`](crate::App::middleware) accepts:
/// `async fn(Handshake, Next<'_>) -> Result<Response>`, with up to four `State<T>` after the two
/// parameters.
///
/// ```
/// use ws_core::{App, Handshake, Next, Response, Result};
///
/// async fn needs_token(handshake: Handshake, next: Next<'_>) -> Result<Response> {
///     handshake.bearer_token()?;
///     next.run(handshake).await
/// }
/// let app = App::without_registry().middleware("ws", 0, needs_token);
/// ```
#[diagnostic::on_unimplemented(
    message = "this function is not a middleware",
    label = "not a middleware",
    note = "a middleware is `async fn(Handshake, Next<'_>) -> Result<Response>`, with up to four `State<T>` after these two"
)]
pub trait MiddlewareFn<Params>: Send + Sync + 'static {
    #[doc(hidden)]
    const STATE: &'static [fn() -> StateKey];
    #[doc(hidden)]
    fn call<'a>(&self, handshake: Handshake, next: Next<'a>, states: &'a States) -> MiddlewareFuture<'a>;
}

macro_rules! middleware_fn {
    ($($state:ident),*) => {
        impl<F, $($state: FromState),*> MiddlewareFn<($($state,)*)> for F
        where
            F: for<'a> Function<'a, (Handshake, Next<'a>, $($state),*), Output = Result<Response>> + 'static,
        {
            const STATE: &'static [fn() -> StateKey] = <($($state,)*)>::KEYS;

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            fn call<'a>(&self, handshake: Handshake, next: Next<'a>, states: &'a States) -> MiddlewareFuture<'a> {
                match StateParams::from_states(states) {
                    Ok(($($state,)*)) => Box::pin(self.start((handshake, next, $($state),*))),
                    Err(error) => Box::pin(ready(Err(error))),
                }
            }
        }
    };
}

for_each_number_of_states!(middleware_fn);
