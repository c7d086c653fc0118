//! Middleware: functions that run around the core step of the handshake.
//!
//! [`Next`] runs the rest of the chain: the inner middleware, then the core step. A middleware runs
//! once per request, within the server's handshake deadline. It has no access to the open
//! connection.

use std::{any::TypeId, pin::Pin, sync::Arc};

use super::upgrade::DynUpgrade;
use crate::{
    error::Result,
    layer::Layer,
    place::{Location, Scope, short_name},
    request::{Handshake, Response, Security},
    state::{FromState, StateKey, States},
};

/// The future of one middleware call.
pub type MiddlewareFuture<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

/// The rest of the pipeline: the remaining middleware, then the core step.
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
    /// The places of a token that it declares to accept.
    pub(crate) security: &'static [Security],
    pub(crate) call: Box<Call>,
}

impl Middleware {
    #[track_caller]
    pub(crate) fn by_hand<P, M: MiddlewareFn<P>>(middleware: M, scope: Scope) -> Self {
        Self {
            layer: Layer {
                name: short_name::<M>(),
                location: Location::caller(),
                id: TypeId::of::<M>,
                scope,
                state: M::STATE,
            },
            security: &[],
            call: Box::new(move |handshake, next, states| middleware.call(handshake, next, states)),
        }
    }
}

/// An async function that [`App::middleware`](crate::App::middleware) accepts:
/// `async fn(Handshake, Next<'_>) -> Result<Response>`, with up to four `State<T>` after the two
/// parameters.
#[diagnostic::on_unimplemented(
    message = "this function is not a middleware",
    note = "a middleware is `async fn(Handshake, Next<'_>) -> Result<Response>`, with up to four `State<T>` behind these two"
)]
pub trait MiddlewareFn<Params>: Send + Sync + 'static {
    #[doc(hidden)]
    const STATE: &'static [fn() -> StateKey];
    #[doc(hidden)]
    fn call<'a>(&self, handshake: Handshake, next: Next<'a>, states: &'a States) -> MiddlewareFuture<'a>;
}

/// Implements [`MiddlewareFn`] for one number of parameters. The helper trait carries the lifetime
/// of `Next`: with it, the bound `for<'a>` can name a future type that depends on `'a`.
macro_rules! middleware_fn {
    ($helper:ident; $($param:ident),*) => {
        #[doc(hidden)]
        #[expect(unnameable_types, reason = "a bound that gives the function's future its name")]
        pub trait $helper<'a, $($param),*>: Send + Sync {
            type Future: Future<Output = Result<Response>> + Send + 'a;
            #[allow(non_snake_case)]
            fn start(&self, handshake: Handshake, next: Next<'a>, $($param: $param),*) -> Self::Future;
        }

        impl<'a, F, Fut, $($param),*> $helper<'a, $($param),*> for F
        where
            F: Fn(Handshake, Next<'a>, $($param),*) -> Fut + Send + Sync,
            Fut: Future<Output = Result<Response>> + Send + 'a,
        {
            type Future = Fut;

            #[allow(non_snake_case)]
            fn start(&self, handshake: Handshake, next: Next<'a>, $($param: $param),*) -> Fut {
                self(handshake, next, $($param),*)
            }
        }

        impl<F, $($param: FromState),*> MiddlewareFn<($($param,)*)> for F
        where
            F: for<'a> $helper<'a, $($param),*> + 'static,
        {
            const STATE: &'static [fn() -> StateKey] = &[$($param::key),*];

            #[allow(unused_variables, non_snake_case)]
            fn call<'a>(&self, handshake: Handshake, next: Next<'a>, states: &'a States) -> MiddlewareFuture<'a> {
                $(
                    let $param = match $param::from_states(states) {
                        Ok(value) => value,
                        Err(error) => return Box::pin(std::future::ready(Err(error))),
                    };
                )*
                Box::pin(self.start(handshake, next, $($param),*))
            }
        }
    };
}

middleware_fn!(Takes0;);
middleware_fn!(Takes1; A);
middleware_fn!(Takes2; A, B);
middleware_fn!(Takes3; A, B, C);
middleware_fn!(Takes4; A, B, C, D);
