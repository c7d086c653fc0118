//! The entries that the attributes generate, collected at link time. Only this module uses
//! inventory.
//!
//! Entries are constants. Their link order differs between builds, so they are sorted before use.
//! This module only lists them: `app::check` checks them and `app` starts them.

use std::{any::TypeId, cmp::Ordering};

use crate::{
    config::{Compression, Limits},
    error::{Error, FindPublicPart, PublicParts, Result},
    handlers::{Callback, InterceptorFuture, NextHandler},
    handshake::{MiddlewareFuture, Next, Route, RouteSpec},
    layer::Layer,
    place::Location,
    recovery::{HandlerFuture, Recovery, Scene},
    request::{HandlerInfo, Handshake, Response, Security},
    session::Erased,
    state::{StateKey, States},
};

/// The entry of `#[ws_controller]`.
pub struct ControllerEntry {
    /// The route, without its limits and its compression.
    pub spec: RouteSpec,
    /// Applies the `limits(..)` of the attribute to the server's limits.
    pub limits: fn(&mut Limits),
    /// Applies the `compression(..)` of the attribute to the server's compression.
    pub compression: fn(&mut Compression),
    /// Creates the single instance of a server.
    pub build: fn(&States) -> Result<Erased>,
}

impl ControllerEntry {
    /// Returns the route of this entry.
    pub(crate) fn route(&self) -> Route {
        Route {
            spec: self.spec.clone(),
            middleware: Vec::new(),
            interceptors: Vec::new(),
            guards: Vec::new(),
            limits: vec![Box::new(self.limits)],
            compression: vec![Box::new(self.compression)],
            build: Box::new(self.build),
        }
    }
}

/// The entry of `#[ws_handlers]`, from which documents and clients are generated.
pub struct HandlersEntry {
    /// The controller's type.
    pub controller: fn() -> TypeId,
    /// Its name.
    pub name: &'static str,
    /// The place of the attribute.
    pub location: Location,
    /// Its handlers, in source order.
    pub handlers: &'static [HandlerInfo],
}

/// The entry of `#[ws_interceptor]`.
pub struct InterceptorEntry {
    /// The function, where it runs, and the state it needs.
    pub layer: Layer,
    /// Calls the function.
    pub call: for<'a> fn(Callback<'a>, NextHandler<'a>, &'a States) -> InterceptorFuture<'a>,
}

impl InterceptorEntry {
    /// Passes on the result of an interceptor. Generated code calls it with the span of the return
    /// type.
    pub fn answer(answer: impl InterceptorAnswer) -> Result {
        answer.exactly()
    }
}

/// `Result` without arguments, the only implementor. It is a bound for the same reason as
/// [`MiddlewareAnswer`].
#[diagnostic::on_unimplemented(message = "an interceptor returns `Result`", label = "write `Result`")]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait InterceptorAnswer {
    /// Returns the value itself.
    fn exactly(self) -> Result;
}

#[diagnostic::do_not_recommend]
impl InterceptorAnswer for Result {
    fn exactly(self) -> Self {
        self
    }
}

/// The type `T`, the only implementor. It is a bound for the same reason as [`MiddlewareAnswer`].
#[diagnostic::on_unimplemented(message = "`{T}` is expected here, not `{Self}`", label = "write `{T}`")]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait Exactly<T> {
    /// Returns the value itself.
    fn exactly(value: T) -> Self;
}

impl<T> Exactly<T> for T {
    fn exactly(value: T) -> Self {
        value
    }
}

/// Leaves settings as they are. Generated code uses it instead of a closure, which costs more time
/// to compile.
pub fn unchanged<T>(_: &mut T) {}

/// Passes a value to a parameter. Generated code calls it with the span of the parameter's type.
pub fn exactly<T, P: Exactly<T>>(value: T) -> P {
    P::exactly(value)
}

/// The entry of `#[ws_middleware]`.
pub struct MiddlewareEntry {
    /// The function, where it runs, and the state it needs.
    pub layer: Layer,
    /// The places of a token that it accepts.
    pub security: &'static [Security],
    /// Calls the function.
    pub call: for<'a> fn(Handshake, Next<'a>, &'a States) -> MiddlewareFuture<'a>,
}

impl MiddlewareEntry {
    /// Passes on the result of a middleware. Generated code calls it with the span of the return
    /// type.
    pub fn answer(answer: impl MiddlewareAnswer) -> Result<Response> {
        answer.exactly()
    }
}

/// `Result<Response>`, the only implementor. It is a bound instead of the type: for a wrong type,
/// rustc would propose changes that do not fit a return type.
#[diagnostic::on_unimplemented(
    message = "a middleware returns `Result<Response>`",
    label = "write `Result<Response>`"
)]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait MiddlewareAnswer {
    /// Returns the value itself.
    fn exactly(self) -> Result<Response>;
}

#[diagnostic::do_not_recommend]
impl MiddlewareAnswer for Result<Response> {
    fn exactly(self) -> Self {
        self
    }
}

/// The entry of `#[ws_error_handler]`.
pub struct ErrorHandlerEntry {
    /// The function's name.
    pub name: &'static str,
    /// The place of the attribute.
    pub location: Location,
    /// The server of `server = ".."`; `None` for all servers.
    pub server: Option<&'static str>,
    /// Its position among the error handlers, lowest first.
    pub order: i32,
    /// The handled type; `None` for the catch-all.
    pub error_type: fn() -> Option<TypeId>,
    /// The handled type as written.
    pub error_name: &'static str,
    /// The types of its `State<T>` parameters.
    pub state: &'static [fn() -> StateKey],
    /// Calls the handler if the error has its type.
    pub call: for<'a> fn(&'a Error, &'a Scene, &'a States) -> Option<HandlerFuture<'a>>,
}

impl ErrorHandlerEntry {
    /// Passes on the result of an error handler. Generated code calls it with the span of the
    /// return type.
    pub fn answer(answer: impl HandlerAnswer) -> Recovery {
        answer.exactly()
    }
}

/// `Recovery`, the only implementor. It is a bound for the same reason as [`MiddlewareAnswer`].
#[diagnostic::on_unimplemented(message = "an error handler returns `Recovery`", label = "write `Recovery`")]
#[expect(unnameable_types, reason = "a bound of generated code; users never write it")]
pub trait HandlerAnswer {
    /// Returns the value itself.
    fn exactly(self) -> Recovery;
}

#[diagnostic::do_not_recommend]
impl HandlerAnswer for Recovery {
    fn exactly(self) -> Self {
        self
    }
}

/// The entry of `#[derive(WsError)]`.
pub struct ErrorTypeEntry {
    /// The type's name.
    pub name: &'static str,
    /// The place of the attribute.
    pub location: Location,
    /// Returns the public part of an error of the type.
    pub find: FindPublicPart,
}

/// Returns the public parts of the error types of this binary. An application without the registry
/// has them, too, because they belong to the types.
pub(crate) fn public_parts() -> PublicParts {
    let entries = sorted(|entry: &ErrorTypeEntry| (0, entry.name, entry.location));
    PublicParts::new(entries.iter().map(|entry| entry.find).collect())
}

inventory::collect!(ControllerEntry);
inventory::collect!(ErrorTypeEntry);
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
            controllers: sorted(|entry: &ControllerEntry| (0, &*entry.spec.path, entry.spec.location)),
            middleware: sorted(|entry: &MiddlewareEntry| (0, entry.layer.name, entry.layer.location)),
            error_handlers: sorted(|entry: &ErrorHandlerEntry| (entry.order, entry.name, entry.location)),
            handlers: sorted(|entry: &HandlersEntry| (0, entry.name, entry.location)),
            interceptors: sorted(|entry: &InterceptorEntry| (0, entry.layer.name, entry.layer.location)),
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
