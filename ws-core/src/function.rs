//! [`Function`]: an async function with given parameters. [`StateParams`]: the `State<T>`
//! parameters after them.
//!
//! A middleware, an interceptor, a guard and an error handler can be given by hand. The module that
//! calls such a function has a trait for it, and implements the trait with
//! [`for_each_number_of_states`].

use crate::{
    error::Result,
    state::{FromState, StateKey, States},
};

/// An async function with these parameters. `'a` is the lifetime of its future. A bound `for<'a>`
/// can thus name a future that depends on `'a`.
#[doc(hidden)]
#[expect(unnameable_types, reason = "a bound that gives the function's future its name")]
pub trait Function<'a, Params>: Send + Sync {
    /// The result of the future.
    type Output;
    /// The function's future.
    type Future: Future<Output = Self::Output> + Send + 'a;

    /// Calls the function.
    fn start(&self, params: Params) -> Self::Future;
}

macro_rules! function {
    ($($param:ident),*) => {
        impl<'a, F, Fut, $($param),*> Function<'a, ($($param,)*)> for F
        where
            F: Fn($($param),*) -> Fut + Send + Sync,
            Fut: Future + Send + 'a,
        {
            type Output = Fut::Output;
            type Future = Fut;

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            fn start(&self, ($($param,)*): ($($param,)*)) -> Fut {
                self($($param),*)
            }
        }
    };
}

function!(A);
function!(A, B);
function!(A, B, C);
function!(A, B, C, D);
function!(A, B, C, D, E);
function!(A, B, C, D, E, G);

/// The `State<T>` parameters of a function.
pub(crate) trait StateParams: Sized {
    /// The types that must be provided.
    const KEYS: &'static [fn() -> StateKey];

    /// Returns the values from the provided states.
    fn from_states(states: &States) -> Result<Self>;
}

/// Calls a macro for each supported number of `State<T>` parameters.
macro_rules! for_each_number_of_states {
    ($implement:ident) => {
        $implement!();
        $implement!(A);
        $implement!(A, B);
        $implement!(A, B, C);
        $implement!(A, B, C, D);
    };
}
pub(crate) use for_each_number_of_states;

macro_rules! state_params {
    ($($param:ident),*) => {
        impl<$($param: FromState),*> StateParams for ($($param,)*) {
            const KEYS: &'static [fn() -> StateKey] = &[$($param::key),*];

            #[allow(unused_variables, clippy::unused_unit, reason = "there may be no parameter")]
            fn from_states(states: &States) -> Result<Self> {
                Ok(($($param::from_states(states)?,)*))
            }
        }
    };
}

for_each_number_of_states!(state_params);
