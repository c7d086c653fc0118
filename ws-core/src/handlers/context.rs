//! [`Context<T>`]: an entry of the connection's context as a parameter.

use std::ops::Deref;

use super::{Input, Param};
use crate::request::{ParamError, Setup};

/// An entry of the connection's [context](crate::Connection::context), cloned for each callback.
///
/// Middleware puts entries into the context; callbacks read them. If the entry is missing, the
/// callback fails. The client gets the error `internal` without a detail, because a missing entry
/// is a fault of the server. `Option<Context<T>>` is `None` in this case.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Claims {
///     account: String,
/// }
///
/// #[ws_controller(path = "/account")]
/// struct Account;
///
/// #[ws_handlers]
/// impl Account {
///     #[on_event("whoami")]
///     async fn whoami(&self, claims: Context<Claims>) -> Data<String> {
///         Data(claims.0.account)
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<T>(pub T);

impl<T> Deref for Context<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'a, T: Clone + Send + Sync + 'static> Param<'a> for Context<T> {
    type Kept = ();

    fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
        Ok(())
    }

    fn get(_: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
        let value = input.connection().context().get();
        value.map(Self).ok_or_else(|| ParamError::missing(std::any::type_name::<T>()))
    }
}
