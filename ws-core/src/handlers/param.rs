//! [`Param`]: the types that a parameter of a handler can have.
//!
//! Some parameters are parsed from the handshake, once, before the 101, and kept with the
//! connection. The others are read for each callback. One trait serves both: [`Param::keep`] runs
//! in the handshake, [`Param::get`] before each callback. Both are synchronous, so a parameter
//! cannot wait.

use std::sync::Arc;

use super::Input;
use crate::{
    connection::Connection,
    error::Result,
    hub::Hub,
    request::{Handshake, ParamError, ParamFacts, Setup, Takes},
    state::{State, StateKey},
    wire::{CloseReason, ConnectionId},
};

/// A parameter of a method under `#[ws_handlers]`.
///
/// | parameter | meaning | source |
/// |---|---|---|
/// | [`&Path<T>`](crate::Path), [`&Query<T>`](crate::handlers::Query), [`&Header<T>`](crate::handlers::Header), [`&Cookie`](crate::handlers::Cookie) | parts of the handshake; by value if `Clone` | parsed once before the 101, kept with the connection |
/// | [`State<T>`] | the value passed to `App::state` | checked at start, shared by all connections, cloned for each callback |
/// | [`Context<T>`](crate::handlers::Context) | an entry of the connection's context | read for each callback |
/// | `&Connection`, [`Connection`], [`ConnectionId`], [`Hub`], [`&Handshake`](Handshake) | | read for each callback |
/// | [`Data<T>`](crate::Data) | the event's `data`, decoded | the message |
/// | [`Json<T>`](crate::handlers::Json), [`Text`](crate::Text), `&str`, [`Bytes`](crate::Bytes), [`Message`](crate::Message) | the whole message | the message |
/// | [`EventName`](crate::handlers::EventName) | the event's name | the message |
/// | [`Reply`](crate::handlers::Reply) | the reply of the event, to be sent later | the message |
/// | [`CloseReason`] | why the connection closed | `on_close` |
///
/// `Option<P>` of any of them is `None` if the value is missing; a malformed value is still an
/// error. At most one parameter can take the message.
///
/// # Your own parameter type
///
/// A type of your own with the name `Data` must keep nothing (`type Kept = ()`): under
/// `#[ws_handlers]`, parameters written as `Data<..>` have no kept value.
///
/// ```
/// use ws_core::{Handshake, handlers::{FromHandshake, Input, Param, ParamError, Setup}};
///
/// /// The client's language, parsed once. `&Language` can now be a parameter.
/// struct Language(String);
///
/// impl FromHandshake for Language {
///     fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
///         let language = handshake.header("accept-language").unwrap_or("en");
///         Ok(Self(language.to_owned()))
///     }
/// }
///
/// /// The number of connections at the time of the callback.
/// struct Crowd(usize);
///
/// impl<'a> Param<'a> for Crowd {
///     type Kept = ();
///
///     fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
///         Ok(())
///     }
///
///     fn get(_: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
///         Ok(Self(input.connection().hub().count_local()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of a handler",
    label = "not a parameter",
    note = "from the handshake: `&Path<T>`, `&Query<T>`, `&Header<T>`, `&Cookie`, each by value if `Clone`, and `State<T>`",
    note = "from the connection: `Context<T>`, `&Connection`, `Connection`, `ConnectionId`, `Hub`, `&Handshake`",
    note = "from the message, at most one: `Data<T>`, `Json<T>`, `Text`, `&str`, `Bytes`, `Message`; and `EventName`, `Reply`, and `CloseReason` in `on_close`",
    note = "`Option<..>` of any of them, and what implements `ws_core::handlers::Param` or, by reference, `ws_core::handlers::FromHandshake`"
)]
pub trait Param<'a>: Sized {
    /// The value that is kept with the connection. It is made once, before the 101; `()` keeps
    /// nothing.
    type Kept: Send + Sync + 'static;

    /// The part of the input that the parameter consumes. A handler with two parameters that take
    /// the message does not compile.
    const TAKES: Takes = Takes::Nothing;

    #[doc(hidden)]
    const NEEDS_PATH: bool = false;

    /// Whether the value is parsed from the handshake and kept. A kept value cannot borrow.
    #[doc(hidden)]
    const IS_PARSED: bool = false;

    /// The facts that the rules for parameters check.
    #[doc(hidden)]
    const FACTS: ParamFacts = ParamFacts { takes: Self::TAKES, needs_path: Self::NEEDS_PATH, event: None };

    /// Adds the required states, for the check at start.
    #[doc(hidden)]
    fn states(keys: &mut Vec<StateKey>) {
        let _ = keys;
    }

    /// Makes the value that is kept. Called once per handshake, after the middleware and before the
    /// 101.
    ///
    /// # Errors
    /// An error refuses the handshake: [`ParamError::Missing`] and [`ParamError::Invalid`] with
    /// 400, other errors with their own status.
    fn keep(setup: &Setup<'_>) -> Result<Self::Kept, ParamError>;

    /// Makes the parameter for one callback.
    ///
    /// # Errors
    /// An error is handled like an error that the handler returns; the handler is not called.
    fn get(kept: &'a Self::Kept, input: &mut Input<'a>) -> Result<Self, ParamError>;
}

/// A value that is parsed from the handshake, once, before the 101. `&Self` can then be a
/// parameter.
///
/// [`Param`] has an example.
///
/// ```
/// use ws_core::{Handshake, handlers::{FromHandshake, ParamError}};
///
/// /// The tenant of the client. Handlers take it as `&Tenant`.
/// struct Tenant(String);
///
/// impl FromHandshake for Tenant {
///     fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
///         let tenant = handshake.header("x-tenant");
///         Ok(Self(tenant.ok_or_else(|| ParamError::missing("header x-tenant"))?.to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`&{Self}` is not a parameter of a handler",
    label = "not a parameter",
    note = "by reference: `&Path<T>`, `&Query<T>`, `&Header<T>`, `&Cookie`, `&Connection`, `&Handshake`, `&str`, and what implements `ws_core::handlers::FromHandshake`"
)]
pub trait FromHandshake: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    const NEEDS_PATH: bool = false;

    /// Parses the value.
    ///
    /// # Errors
    /// [`ParamError::Missing`] and [`ParamError::Invalid`] refuse the handshake with 400.
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError>;
}

/// A reference to the value that is kept with the connection.
impl<'a, T: FromHandshake> Param<'a> for &'a T {
    type Kept = T;

    const NEEDS_PATH: bool = T::NEEDS_PATH;

    const IS_PARSED: bool = true;

    fn keep(setup: &Setup<'_>) -> Result<T, ParamError> {
        T::from_handshake(setup.handshake)
    }

    fn get(kept: &'a T, _: &mut Input<'a>) -> Result<Self, ParamError> {
        Ok(kept)
    }
}

/// Implements `Param` by value: each callback gets a clone of the value made by [`FromHandshake`].
/// A value that is kept for a parameter by reference is not parsed again.
macro_rules! by_value {
    ($($(#[$attribute:meta])* $wrapper:ident$(<$t:ident: $bound:path>)?;)*) => {$(
        $(#[$attribute])*
        impl<'a $(, $t)?> Param<'a> for $crate::handlers::$wrapper$(<$t>)?
        where
            Self: FromHandshake + Clone,
        {
            type Kept = Self;

            const NEEDS_PATH: bool = <Self as FromHandshake>::NEEDS_PATH;

            const IS_PARSED: bool = true;

            fn keep(setup: &Setup<'_>) -> Result<Self, ParamError> {
                match setup.kept::<Self>() {
                    Some(kept) => Ok(kept.clone()),
                    None => Self::from_handshake(setup.handshake),
                }
            }

            fn get(kept: &'a Self, _: &mut Input<'a>) -> Result<Self, ParamError> {
                Ok(kept.clone())
            }
        }
    )*};
}

by_value! {
    Path<T: Clone>;
    Query<T: Clone>;
    Header<T: Clone>;
    Cookie;
}

/// `None` if the value is missing. A malformed value is still an error.
impl<'a, P: Param<'a>> Param<'a> for Option<P> {
    type Kept = Option<P::Kept>;

    const TAKES: Takes = P::TAKES;

    const IS_PARSED: bool = P::IS_PARSED;

    fn states(keys: &mut Vec<StateKey>) {
        let before = keys.len();
        P::states(keys);
        keys.iter_mut().skip(before).for_each(|key| key.is_optional = true);
    }

    fn keep(setup: &Setup<'_>) -> Result<Self::Kept, ParamError> {
        missing_as_none(P::keep(setup))
    }

    fn get(kept: &'a Self::Kept, input: &mut Input<'a>) -> Result<Self, ParamError> {
        if matches!(P::TAKES, Takes::Data) && !input.has_data() {
            return Ok(None);
        }
        match kept {
            Some(kept) => missing_as_none(P::get(kept, input)),
            None => Ok(None),
        }
    }
}

/// Turns a missing value into `None`.
fn missing_as_none<T>(result: Result<T, ParamError>) -> Result<Option<T>, ParamError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ParamError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The application's value, shared by all connections and cloned for each callback.
impl<'a, T: Clone + Send + Sync + 'static> Param<'a> for State<T> {
    type Kept = Arc<T>;

    fn states(keys: &mut Vec<StateKey>) {
        keys.push(StateKey::of::<T>());
    }

    fn keep(setup: &Setup<'_>) -> Result<Arc<T>, ParamError> {
        setup.states.shared().ok_or_else(|| ParamError::missing(std::any::type_name::<T>()))
    }

    fn get(kept: &'a Arc<T>, _: &mut Input<'a>) -> Result<Self, ParamError> {
        Ok(Self(T::clone(kept)))
    }
}

/// Implements `Param` for types that are read from the connection or the input and keep nothing.
macro_rules! read_for_each_callback {
    ($($ty:ty $(, takes $takes:ident)?: |$input:ident| $get:expr;)*) => {$(
        impl<'a> Param<'a> for $ty {
            type Kept = ();

            $(const TAKES: Takes = Takes::$takes;)?

            fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
                Ok(())
            }

            fn get(_: &'a (), $input: &mut Input<'a>) -> Result<Self, ParamError> {
                $get
            }
        }
    )*};
}
pub(super) use read_for_each_callback;

read_for_each_callback! {
    &'a Connection: |input| Ok(input.connection());
    Connection: |input| Ok(input.connection().clone());
    ConnectionId: |input| Ok(input.connection().id());
    Hub: |input| Ok(input.connection().hub());
    &'a Handshake: |input| Ok(input.connection().handshake());
    CloseReason, takes CloseReason: |input| input.take_reason();
}
