//! [`Guard`]: a function that may refuse a callback, with the parameters of a handler.
//!
//! `#[guard(..)]` has only the path of the function, so [`guarded`] infers the types of its
//! parameters. The kept values of a guard's parameters are one value, made before the 101. The
//! handlers' parameters have values of their own.

use super::{
    Input, Param, Takes,
    support::{Of, make_param},
};
use crate::{
    error::{Error, Result},
    request::{Needs, Setup},
};

/// An async function with these parameters.
#[diagnostic::on_unimplemented(
    message = "this function is not a guard",
    label = "not a guard",
    note = "a guard is `async fn(..) -> Result`, with up to eight parameters of a handler"
)]
pub trait Guard<Params>: Sized {
    /// The function's future.
    type Future: Future;

    /// Calls the function.
    fn start(self, params: Params) -> Self::Future;
}

/// The parameters of a guard: a tuple of [`Param`].
pub trait GuardParams<'a>: Sized {
    /// The values that are kept with the connection.
    type Kept: Send + Sync + 'static;

    /// The parts of the input that the parameters consume.
    const TAKES: &'static [Takes];

    /// Whether the route's path must have parameters.
    const NEEDS_PATH: bool;

    /// Adds the requirements of the parameters.
    fn need(needs: &mut Needs);

    /// Makes the values that are kept.
    ///
    /// # Errors
    /// The error that refuses the handshake.
    fn keep(setup: &Setup<'_>) -> Result<Self::Kept>;

    /// Makes the parameters of one call.
    ///
    /// # Errors
    /// The error that the callback fails with.
    fn get(kept: &'a Self::Kept, input: &mut Input<'a>) -> Result<Self>;
}

macro_rules! guard {
    ($($param:ident),*) => {
        impl<F, Fut: Future, $($param),*> Guard<($($param,)*)> for F
        where
            F: Fn($($param),*) -> Fut,
        {
            type Future = Fut;

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            fn start(self, ($($param,)*): ($($param,)*)) -> Fut {
                self($($param),*)
            }
        }

        impl<'a, $($param: Param<'a>),*> GuardParams<'a> for ($($param,)*) {
            type Kept = ($($param::Kept,)*);

            const TAKES: &'static [Takes] = &[$($param::TAKES),*];
            const NEEDS_PATH: bool = false $(|| $param::NEEDS_PATH)*;

            #[allow(unused_variables, reason = "there may be no parameter")]
            fn need(needs: &mut Needs) {
                $(Of::<$param>::need(needs);)*
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "there may be no parameter")]
            fn keep(setup: &Setup<'_>) -> Result<Self::Kept> {
                Ok(($(Of::<$param>::keep(setup)?,)*))
            }

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            #[allow(unused_variables, clippy::unused_unit, reason = "there may be no parameter")]
            fn get(kept: &'a Self::Kept, input: &mut Input<'a>) -> Result<Self> {
                let ($($param,)*) = kept;
                Ok(($(make_param::<$param>($param, input)?,)*))
            }
        }
    };
}

guard!();
guard!(A);
guard!(A, B);
guard!(A, B, C);
guard!(A, B, C, D);
guard!(A, B, C, D, E);
guard!(A, B, C, D, E, G);
guard!(A, B, C, D, E, G, H);
guard!(A, B, C, D, E, G, H, I);

/// A guard and the requirements of its parameters. `K` is the value that is kept for them with the
/// connection.
///
/// It contains function pointers instead of methods with bounds. The bounds of [`guarded`] are then
/// the only ones, so that rustc reports a wrong guard once.
#[derive(Debug)]
pub struct Guarded<'a, G, K, Fut> {
    guard: G,
    /// The parts of the input that its parameters consume.
    pub takes: &'static [Takes],
    /// Whether the route's path must have parameters.
    pub needs_path: bool,
    need: fn(&mut Needs),
    keep: fn(&Setup<'_>) -> Result<K>,
    start: fn(G, &'a K, Input<'a>) -> Result<Fut>,
}

/// Describes a guard.
pub const fn guarded<'a, G: Guard<P>, P: GuardParams<'a>>(guard: G) -> Guarded<'a, G, P::Kept, G::Future> {
    Guarded {
        guard,
        takes: P::TAKES,
        needs_path: P::NEEDS_PATH,
        need: P::need,
        keep: P::keep,
        start: |guard, kept, mut input| Ok(guard.start(P::get(kept, &mut input)?)),
    }
}

impl<'a, G, K, Fut> Guarded<'a, G, K, Fut> {
    /// Adds the requirements of its parameters.
    pub fn need(self, needs: &mut Needs) {
        (self.need)(needs);
    }

    /// Makes the values that its parameters keep, or the error that refuses the handshake.
    pub fn keep(self, setup: &Setup<'_>) -> Result<K> {
        (self.keep)(setup)
    }

    /// Makes its parameters and calls it.
    pub fn start(self, kept: &'a K, input: Input<'a>) -> Result<Fut> {
        (self.start)(self.guard, kept, input)
    }
}

/// Converts the return value of a guard.
pub fn guard(answer: impl GuardAnswer) -> Result {
    answer.refused()
}

/// `Result<(), E>` with any error type. A bound checks the return type, because rustc's suggestions
/// for a mismatched type do not fit a function that is given by its path.
#[diagnostic::on_unimplemented(
    message = "a guard returns `Result`",
    label = "this function returns `{Self}`"
)]
pub trait GuardAnswer {
    /// Returns the error of a refusal. An error without a public text becomes `forbidden`.
    fn refused(self) -> Result;
}

impl<E: Into<Error>> GuardAnswer for Result<(), E> {
    fn refused(self) -> Result {
        self.map_err(|error| error.into().or_forbidden())
    }
}
