//! Middleware: functions around the core step, and [`Next`], the way inwards.

use std::{any::TypeId, pin::Pin, sync::Arc};

use super::upgrade::DynUpgrade;
use crate::{
    error::Result,
    place::{Location, Scope},
    request::{Handshake, Response},
    state::{FromState, StateKey, States},
};

/// The future of one middleware call.
pub type MiddlewareFuture<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

/// The rest of the pipeline: the middleware that are still to run, then the core step.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    pub(crate) chain: &'a [Arc<Middleware>],
    pub(crate) core: &'a dyn DynUpgrade,
    pub(crate) states: &'a States,
}

impl Next<'_> {
    /// Runs the rest and returns its response; on success that is a 101, whose headers may be added to.
    ///
    /// # Errors
    /// Whatever went wrong further in. Passing it on with `?` leaves it to the error handlers.
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
        f.debug_list().entries(self.chain.iter().map(|middleware| middleware.name)).finish()
    }
}

type Call = dyn for<'a> Fn(Handshake, Next<'a>, &'a States) -> MiddlewareFuture<'a> + Send + Sync;

/// One middleware, from the registry or by hand.
pub(crate) struct Middleware {
    pub(crate) name: &'static str,
    pub(crate) location: Location,
    pub(crate) id: TypeId,
    pub(crate) scope: Scope,
    pub(crate) state: Vec<StateKey>,
    pub(crate) call: Box<Call>,
}

/// An async function that can be given to [`App::middleware`](crate::App::middleware):
/// `async fn(Handshake, Next<'_>) -> Result<Response>`, with up to four `State<T>` behind these two.
#[diagnostic::on_unimplemented(
    message = "this is no middleware",
    note = "a middleware is `async fn(Handshake, Next<'_>) -> Result<Response>`, with up to four `State<T>` behind these two"
)]
pub trait MiddlewareFn<Params>: Send + Sync + 'static {
    #[doc(hidden)]
    fn state() -> Vec<StateKey>;
    #[doc(hidden)]
    fn call<'a>(&self, handshake: Handshake, next: Next<'a>, states: &'a States) -> MiddlewareFuture<'a>;
}

/// Implements [`MiddlewareFn`] for one number of parameters. The helper trait carries the lifetime of `Next`: with it
/// the bound `for<'a>` can speak of a future type that depends on `'a`.
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
            fn state() -> Vec<StateKey> {
                vec![$($param::key()),*]
            }

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
