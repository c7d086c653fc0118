//! The attributes of `ws-core`: [`ws_controller`], [`ws_middleware`] and [`ws_error_handler`].
//!
//! Use them through `ws_core`, which exports them; what they write names `::ws_core`. Each leaves the item that it
//! stands on as it was written and adds a registration beside it, which the linker collects. No body is rewritten, no
//! type is wrapped, and no type is recognised by its name: shapes are checked here, types by rustc, and what can only be
//! known of the whole program when the application starts, before any socket is bound.
//!
//! Each attribute is a folder: *parse* reads what stands there, *model* says what it means, *expand* writes the
//! registration. All mistakes are told at once, and the item is emitted in any case.

mod args;
mod controller;
mod error_handler;
mod errors;
mod middleware;
mod route_path;
mod signature;
mod size;
mod source;

use proc_macro::TokenStream;

/// Registers a struct as the controller of a path.
///
/// The struct says by itself what it does, as an `impl Controller`; the attribute only says where. One instance serves
/// all connections of its server: fields marked `#[state]` are filled from what `App::state` was given, found by
/// their type, and all others by [`Default`]. What belongs to one connection lives in the connection's context.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Greeting(String);
///
/// #[ws_controller(path = "/rooms/{room}")]
/// struct Room {
///     #[state]
///     greeting: Greeting,
///     messages: std::sync::atomic::AtomicU64,
/// }
///
/// impl Controller for Room {
///     async fn on_open(&self, conn: &Connection) -> Result {
///         conn.push(self.greeting.0.as_str())?;
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
///
/// # Arguments
///
/// | argument | meaning | without it |
/// |---|---|---|
/// | `path = "/rooms/{room}"` | where it is found; required | |
/// | `server = "admin"` | the server that it belongs to | `"ws"` |
/// | `middleware(require_jwt, auth::throttle)` | middleware of this route, outermost first, inside of the server-wide ones | none |
/// | `subprotocols("chat.v2", "chat.v1")` | the subprotocols that it speaks, most preferred first | none |
/// | `subprotocol_mismatch = "refuse"` | what a client gets that offers only others: `"refuse"` (400) or `"accept"` (a connection without a subprotocol) | `"accept"` |
/// | `limits(message = "64KiB", frame = "16KiB")` | the largest message and the largest frame of this route | the server's limits |
///
/// **The path** is matchit's: `{name}` takes one segment or a part of it, `{*rest}` at the end takes all that is left,
/// `{{` and `}}` stand for the braces themselves. It begins with `/`, has no empty segment (so none at its end), no
/// parameter twice, at most one parameter in a segment, and no character that requests carry encoded.
///
/// **The middleware** are paths to functions, so a misspelt one does not compile. That each carries
/// [`#[ws_middleware]`](macro@ws_middleware) is checked when the application starts.
///
/// **A subprotocol** is a token (RFC 9110 section 5.6.2). **A size** is a whole number with a unit among B, KB, MB, GB,
/// KiB, MiB, GiB, or a number of bytes.
///
/// ```
/// use ws_core::prelude::*;
///
/// mod auth {
///     use ws_core::prelude::*;
///
///     #[ws_middleware(scope = "route")]
///     pub async fn require_token(handshake: Handshake, next: Next<'_>) -> Result<Response> {
///         handshake.bearer_token()?;
///         next.run(handshake).await
///     }
/// }
///
/// #[ws_controller(
///     path = "/admin",
///     server = "admin",
///     middleware(auth::require_token),
///     subprotocols("admin.v1"),
///     subprotocol_mismatch = "refuse",
///     limits(message = "4KiB")
/// )]
/// struct Admin;
///
/// impl Controller for Admin {}
/// # fn main() {}
/// ```
///
/// # Errors
///
/// A struct that is generic is refused, since a registration speaks of one type. A field that has neither `#[state]`
/// nor a default, a state that is not `Clone`, and a struct that does not implement `Controller` are rustc's own errors,
/// at the field's type and at the struct's name.
#[proc_macro_attribute]
pub fn ws_controller(arguments: TokenStream, item: TokenStream) -> TokenStream {
    controller::attribute(arguments.into(), item.into()).into()
}

/// Registers an async function as middleware of the handshake.
///
/// It gets the request and the rest of the pipeline, and answers with a response: that of `next.run(handshake)`, or one of its own.
/// Behind these two it takes any number of `State<T>`, resolved from what `App::state` was given. The function stays
/// what it was and can be called.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Banned(Vec<String>);
///
/// #[ws_middleware(order = 10)]
/// async fn refuse_banned(handshake: Handshake, next: Next<'_>, State(banned): State<Banned>) -> Result<Response> {
///     if handshake.header("x-user").is_some_and(|user| banned.0.iter().any(|name| name == user)) {
///         return Err(Error::new("banned").status(403).public("go away"));
///     }
///     next.run(handshake).await
/// }
/// # fn main() {}
/// ```
///
/// # Arguments
///
/// | argument | meaning | without it |
/// |---|---|---|
/// | `server = "admin"` | it runs on every request of this server, known path or not | `"ws"` |
/// | `order = -5` | its place among the server-wide ones, lowest first; ties go by name | `0` |
/// | `scope = "route"` | it runs only where a controller names it, in that controller's order | server-wide |
///
/// `scope = "route"` excludes the other two: the controller says both where and when.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[ws_middleware(scope = "route")]
/// async fn require_token(handshake: Handshake, next: Next<'_>) -> Result<Response> {
///     handshake.bearer_token()?;
///     next.run(handshake).await
/// }
///
/// #[ws_controller(path = "/private", middleware(require_token))]
/// struct Private;
///
/// impl Controller for Private {}
/// # fn main() {}
/// ```
///
/// # Errors
///
/// A function of another shape is answered with the right one. Wrong types are rustc's own errors, at the type.
#[proc_macro_attribute]
pub fn ws_middleware(arguments: TokenStream, item: TokenStream) -> TokenStream {
    middleware::attribute(arguments.into(), item.into()).into()
}

/// Registers an async function as the handler of one type of error.
///
/// The type is the one behind the first `&`; it is matched exactly. A handler of `&ws_core::Error` is asked about all
/// errors that no other handler claimed. The second parameter says where the error happened.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[derive(Debug)]
/// struct Full;
///
/// impl std::fmt::Display for Full {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("the room is full")
///     }
/// }
///
/// impl std::error::Error for Full {}
///
/// #[ws_error_handler]
/// async fn full(error: &Full, scene: &Scene) -> Recovery {
///     match scene.phase() {
///         Phase::Handshake => Recovery::respond(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
///         Phase::Open | Phase::Message => Recovery::disconnect(4003, error.to_string()),
///         Phase::Close => Recovery::pass(),
///     }
/// }
/// # fn main() {}
/// ```
///
/// # Arguments
///
/// | argument | meaning | without it |
/// |---|---|---|
/// | `server = "admin"` | it serves errors of this server only | all servers |
/// | `order = -5` | its place among the handlers of one type, lowest first | `0` |
///
/// # Errors
///
/// A function of another shape is answered with the right one. A type that is no error, and a result that is no
/// `Recovery`, are rustc's own errors, at the type.
#[proc_macro_attribute]
pub fn ws_error_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    error_handler::attribute(arguments.into(), item.into()).into()
}
