//! [`Guard`]: a function that may refuse a handshake. It runs after the middleware and before the
//! 101.

use std::{future::ready, pin::Pin};

use crate::{
    error::Result,
    function::{Function, StateParams, for_each_number_of_states},
    handlers::support::GuardAnswer,
    place::{Location, short_name},
    request::Handshake,
    state::{FromState, StateKey, States},
};

/// The future of one guard's call.
pub type GuardFuture<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// A function named by `#[guard(..)]` on a controller.
#[derive(Clone, Copy)]
pub struct GuardRef {
    /// The function's path, as written in the attribute.
    pub name: &'static str,
    /// Returns the types of its `State<T>` parameters.
    pub state: fn() -> Vec<StateKey>,
    /// Calls the function.
    pub call: for<'a> fn(&'a Handshake, &'a States) -> GuardFuture<'a>,
}

impl GuardRef {
    /// Returns the types of a guard's `State<T>` parameters.
    pub fn state<P, G: GuardFn<P>>(_: &G) -> Vec<StateKey> {
        G::STATE.iter().map(|key| key()).collect()
    }

    /// Calls a guard.
    pub fn call<'a, P, G: GuardFn<P>>(
        guard: &G,
        handshake: &'a Handshake,
        states: &'a States,
    ) -> GuardFuture<'a> {
        guard.call(handshake, states)
    }
}

type Call = dyn for<'a> Fn(&'a Handshake, &'a States) -> GuardFuture<'a> + Send + Sync;

/// One guard of a controller, from its attribute or added by hand.
pub(crate) struct Guard {
    pub(crate) name: &'static str,
    /// The place of the controller, or of the call that adds the guard.
    pub(crate) location: Location,
    pub(crate) state: Vec<StateKey>,
    pub(crate) call: Box<Call>,
}

impl Guard {
    #[track_caller]
    pub(crate) fn by_hand<P, G: GuardFn<P>>(guard: G) -> Self {
        Self {
            name: short_name::<G>(),
            location: Location::caller(),
            state: GuardRef::state(&guard),
            call: Box::new(move |handshake, states| guard.call(handshake, states)),
        }
    }

    pub(crate) fn named(guard: GuardRef, location: Location) -> Self {
        Self { name: guard.name, location, state: (guard.state)(), call: Box::new(guard.call) }
    }
}

/// An async function that guards a controller: `async fn(&Handshake) -> Result`, with up to four
/// `State<T>` after the handshake. [`Route::guard`](super::Route::guard) and `#[guard(..)]` accept
/// it.
///
/// ```
/// use ws_core::{Controller, Error, Handshake, Result, Route};
///
/// async fn only_from_home(handshake: &Handshake) -> Result {
///     match handshake.peer_addr() {
///         Some(peer) if peer.ip().is_loopback() => Ok(()),
///         _ => Err(Error::new("not from this machine")),
///     }
/// }
///
/// # struct Admin;
/// # impl Controller for Admin {}
/// let route = Route::new("/admin", Admin).guard(only_from_home);
/// ```
#[diagnostic::on_unimplemented(
    message = "this function is not a guard of a controller",
    label = "not a guard of a controller",
    note = "a guard of a controller is `async fn(&Handshake) -> Result`, with up to four `State<T>` after the handshake"
)]
pub trait GuardFn<Params>: Send + Sync + 'static {
    #[doc(hidden)]
    const STATE: &'static [fn() -> StateKey];
    #[doc(hidden)]
    fn call<'a>(&self, handshake: &'a Handshake, states: &'a States) -> GuardFuture<'a>;
}

macro_rules! guard_fn {
    ($($state:ident),*) => {
        impl<F, Answer: GuardAnswer, $($state: FromState),*> GuardFn<(Answer, $($state,)*)> for F
        where
            F: for<'a> Function<'a, (&'a Handshake, $($state),*), Output = Answer> + 'static,
        {
            const STATE: &'static [fn() -> StateKey] = <($($state,)*)>::KEYS;

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            fn call<'a>(&self, handshake: &'a Handshake, states: &'a States) -> GuardFuture<'a> {
                match StateParams::from_states(states) {
                    Ok(($($state,)*)) => {
                        let answer = self.start((handshake, $($state),*));
                        Box::pin(async move { answer.await.refused() })
                    }
                    Err(error) => Box::pin(ready(Err(error))),
                }
            }
        }
    };
}

for_each_number_of_states!(guard_fn);
