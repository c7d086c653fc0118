//! What the attributes leave behind, collected at link time. inventory lives here and nowhere else.
//!
//! Entries are constants. Their order means nothing (it differs between builds), so they are sorted before use. This
//! module is pure: it lists, it neither checks nor starts anything; `app::check` does.

use std::{any::TypeId, cmp::Ordering};

use crate::{
    config::{Limits, TrailingSlash},
    error::{Error, Result},
    handlers::{Callback, InterceptorFuture, NextHandler},
    handshake::{GuardRef, MiddlewareFuture, Next},
    place::{Location, Scope, SubprotocolMismatch},
    recovery::{HandlerFuture, Recovery, Scene},
    request::{Handshake, Response},
    session::Erased,
    state::{StateKey, States},
};

/// Left by `#[ws_controller]`.
pub struct ControllerEntry {
    /// `name = ".."`, or the struct's name.
    pub name: &'static str,
    /// Its type.
    pub controller: fn() -> TypeId,
    /// Where the attribute stands.
    pub location: Location,
    /// `server = ".."`.
    pub server: &'static str,
    /// `path = ".."`.
    pub path: &'static str,
    /// `middleware(..)`.
    pub middleware: &'static [MiddlewareRef],
    /// `subprotocols(..)`, most preferred first.
    pub subprotocols: &'static [&'static str],
    /// `subprotocol_mismatch = ".."`.
    pub subprotocol_mismatch: SubprotocolMismatch,
    /// `trailing_slash = ".."`; `None` is the server's.
    pub trailing_slash: Option<TrailingSlash>,
    /// `limits(..)`: what it changes of the server's.
    pub limits: fn(&mut Limits),
    /// `interceptors(..)`.
    pub interceptors: &'static [MiddlewareRef],
    /// `#[guard(..)]`, in their order.
    pub guards: &'static [GuardRef],
    /// The types of the `#[state]` fields.
    pub state: &'static [fn() -> StateKey],
    /// Makes the one instance that a server has.
    pub build: fn(&States) -> Result<Erased>,
}

/// A function named by `middleware(..)`.
#[derive(Clone, Copy)]
pub struct MiddlewareRef {
    /// As it was written.
    pub name: &'static str,
    /// The function item's type.
    pub id: fn() -> TypeId,
}

/// Left by `#[ws_handlers]`: what documents and clients are made from.
pub struct HandlersEntry {
    /// The controller's type.
    pub controller: fn() -> TypeId,
    /// Its name.
    pub name: &'static str,
    /// Where the attribute stands.
    pub location: Location,
    /// Its handlers in their order.
    pub handlers: &'static [HandlerInfo],
}

/// One method under `#[ws_handlers]`.
#[derive(Clone, Copy, Debug)]
pub struct HandlerInfo {
    /// The attribute's name, such as `on_event`.
    pub callback: &'static str,
    /// The name of the event.
    pub event: Option<&'static str>,
    /// The method's name.
    pub method: &'static str,
    /// The parameters' types as written.
    pub params: &'static [&'static str],
    /// Its guards as written.
    pub guards: &'static [&'static str],
    /// The return type as written, empty for none.
    pub returns: &'static str,
    /// The method's documentation.
    pub docs: &'static str,
    /// The attribute's line.
    pub line: u32,
}

/// Left by `#[ws_interceptor]`.
pub struct InterceptorEntry {
    /// The function's name.
    pub name: &'static str,
    /// Where the attribute stands.
    pub location: Location,
    /// The function item's type.
    pub id: fn() -> TypeId,
    /// Where it runs.
    pub scope: Scope,
    /// The types of its `State<T>` parameters.
    pub state: &'static [fn() -> StateKey],
    /// Calls it.
    pub call: for<'a> fn(Callback<'a>, NextHandler<'a>, &'a States) -> InterceptorFuture<'a>,
}

impl InterceptorEntry {
    /// What an interceptor returned, asked for where its return type stands.
    pub fn answer(answer: impl InterceptorAnswer) -> Result {
        answer.exactly()
    }
}

/// `Result` without arguments, and nothing else; a bound for the same reason as
/// [`MiddlewareAnswer`].
#[diagnostic::on_unimplemented(message = "an interceptor returns `Result`", label = "write `Result`")]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait InterceptorAnswer {
    /// The value itself.
    fn exactly(self) -> Result;
}

impl InterceptorAnswer for Result {
    fn exactly(self) -> Self {
        self
    }
}

/// A type for which there is only one that fits: itself. A bound for the same reason as [`MiddlewareAnswer`].
#[diagnostic::on_unimplemented(message = "`{T}` is expected here, not `{Self}`", label = "write `{T}`")]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait Exactly<T> {
    /// The value itself.
    fn exactly(value: T) -> Self;
}

impl<T> Exactly<T> for T {
    fn exactly(value: T) -> Self {
        value
    }
}

/// Hands a value to a parameter, asked for where the parameter's type stands.
pub fn exactly<T, P: Exactly<T>>(value: T) -> P {
    P::exactly(value)
}

/// Left by `#[ws_middleware]`.
pub struct MiddlewareEntry {
    /// The function's name.
    pub name: &'static str,
    /// Where the attribute stands.
    pub location: Location,
    /// The function item's type.
    pub id: fn() -> TypeId,
    /// Where it runs.
    pub scope: Scope,
    /// The types of its `State<T>` parameters.
    pub state: &'static [fn() -> StateKey],
    /// Calls it.
    pub call: for<'a> fn(Handshake, Next<'a>, &'a States) -> MiddlewareFuture<'a>,
}

impl MiddlewareEntry {
    /// What a middleware returned, asked for where its return type stands.
    pub fn answer(answer: impl MiddlewareAnswer) -> Result<Response> {
        answer.exactly()
    }
}

/// `Result<Response>` and nothing else. A bound instead of the type, since what rustc proposes for a value of the wrong
/// type makes no sense at a return type.
#[diagnostic::on_unimplemented(
    message = "a middleware returns `Result<Response>`",
    label = "write `Result<Response>`"
)]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait MiddlewareAnswer {
    /// The value itself.
    fn exactly(self) -> Result<Response>;
}

impl MiddlewareAnswer for Result<Response> {
    fn exactly(self) -> Self {
        self
    }
}

/// Left by `#[ws_error_handler]`.
pub struct ErrorHandlerEntry {
    /// The function's name.
    pub name: &'static str,
    /// Where the attribute stands.
    pub location: Location,
    /// `server = ".."`; `None` serves all.
    pub server: Option<&'static str>,
    /// Lowest first.
    pub order: i32,
    /// The handled type; `None` for the catch-all.
    pub error_type: fn() -> Option<TypeId>,
    /// The handled type as written.
    pub error_name: &'static str,
    /// Calls it, if the error is of its type.
    pub call: for<'a> fn(&'a Error, &'a Scene) -> Option<HandlerFuture<'a>>,
}

impl ErrorHandlerEntry {
    /// What an error handler returned, asked for where its return type stands.
    pub fn answer(answer: impl HandlerAnswer) -> Recovery {
        answer.exactly()
    }
}

/// `Recovery` and nothing else; a bound for the same reason as [`MiddlewareAnswer`].
#[diagnostic::on_unimplemented(message = "an error handler returns `Recovery`", label = "write `Recovery`")]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait HandlerAnswer {
    /// The value itself.
    fn exactly(self) -> Recovery;
}

impl HandlerAnswer for Recovery {
    fn exactly(self) -> Self {
        self
    }
}

/// What an error handler can be written for: any [`std::error::Error`], or [`Error`] itself as the catch-all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that an error handler can be written for",
    note = "take a reference to a type that implements `std::error::Error`, or `&ws_core::Error` to catch all"
)]
pub trait Handled: Sized + 'static {
    /// The type that is looked for; `None` for the catch-all.
    fn error_type() -> Option<TypeId>;
    /// The error as this type.
    fn of(error: &Error) -> Option<&Self>;
}

impl<E: std::error::Error + Send + Sync + 'static> Handled for E {
    fn error_type() -> Option<TypeId> {
        Some(TypeId::of::<E>())
    }

    fn of(error: &Error) -> Option<&Self> {
        error.downcast_ref()
    }
}

impl Handled for Error {
    fn error_type() -> Option<TypeId> {
        None
    }

    fn of(error: &Error) -> Option<&Self> {
        Some(error)
    }
}

inventory::collect!(ControllerEntry);
inventory::collect!(MiddlewareEntry);
inventory::collect!(ErrorHandlerEntry);
inventory::collect!(HandlersEntry);
inventory::collect!(InterceptorEntry);

/// All entries of this binary, in an order that does not depend on the linker.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) controllers: Vec<&'static ControllerEntry>,
    pub(crate) middleware: Vec<&'static MiddlewareEntry>,
    pub(crate) error_handlers: Vec<&'static ErrorHandlerEntry>,
    pub(crate) handlers: Vec<&'static HandlersEntry>,
    pub(crate) interceptors: Vec<&'static InterceptorEntry>,
}

impl Registry {
    pub(crate) fn linked() -> Self {
        Self {
            controllers: sorted(|entry: &ControllerEntry| (0, entry.path, entry.location)),
            middleware: sorted(|entry: &MiddlewareEntry| (0, entry.name, entry.location)),
            error_handlers: sorted(|entry: &ErrorHandlerEntry| (entry.order, entry.name, entry.location)),
            handlers: sorted(|entry: &HandlersEntry| (0, entry.name, entry.location)),
            interceptors: sorted(|entry: &InterceptorEntry| (0, entry.name, entry.location)),
        }
    }
}

fn sorted<T: inventory::Collect>(
    key: impl Fn(&'static T) -> (i32, &'static str, Location),
) -> Vec<&'static T> {
    let mut entries: Vec<_> = inventory::iter::<T>.into_iter().collect();
    entries.sort_by(|a, b| -> Ordering { key(a).cmp(&key(b)) });
    entries
}
