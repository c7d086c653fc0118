//! The attributes of `ws-core`: [`ws_controller`], [`ws_handlers`], [`ws_middleware`], [`ws_interceptor`] and
//! [`ws_error_handler`].
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
mod handlers;
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
/// | `interceptors(timing, audit)` | interceptors of this route, outermost first, inside of the server-wide ones | none |
/// | `subprotocols("chat.v2", "chat.v1")` | the subprotocols that it speaks, most preferred first | none |
/// | `subprotocol_mismatch = "refuse"` | what a client gets that offers only others: `"refuse"` (400) or `"accept"` (a connection without a subprotocol) | `"accept"` |
/// | `limits(message = "64KiB", frame = "16KiB", overflow = "drop_oldest")` | the largest message and frame of this route, and what a full outbox does: `"disconnect"`, `"drop_oldest"`, `"drop_newest"` | the server's limits |
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
    middleware::attribute(&middleware::MIDDLEWARE, arguments.into(), item.into()).into()
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

/// Registers an async function as an interceptor: around the calls of controllers, as middleware is around the handshake.
///
/// It gets the call and the rest of the way, and answers with its outcome: that of `next.run(call)`, or an error, which is
/// treated as the handler's own. It is run around `on_open`, each message, each event of typed handlers, each ping and pong, and `on_close`.
/// Behind the first two parameters it takes any number of `State<T>`. Without any interceptor a call costs nothing more.
///
/// ```
/// use std::time::Instant;
/// use ws_core::prelude::*;
///
/// #[ws_interceptor]
/// async fn timing(call: Invocation<'_>, next: NextCall<'_>) -> Outcome {
///     let begun = Instant::now();
///     let outcome = next.run(call).await;
///     println!("{:?} took {:?}", call.kind(), begun.elapsed());
///     outcome
/// }
/// # fn main() {}
/// ```
///
/// # Arguments
///
/// | argument | meaning | without it |
/// |---|---|---|
/// | `server = "admin"` | it runs around the calls of all controllers of this server | `"ws"` |
/// | `order = -5` | its place among the server-wide ones, lowest outermost; ties go by name | `0` |
/// | `scope = "route"` | it runs only where a controller names it, by `interceptors(timing)` of `#[ws_controller]` | server-wide |
///
/// # Errors
///
/// A function of another shape is answered with the right one. Wrong types are rustc's own errors, at the type.
#[proc_macro_attribute]
pub fn ws_interceptor(arguments: TokenStream, item: TokenStream) -> TokenStream {
    middleware::attribute(&middleware::INTERCEPTOR, arguments.into(), item.into()).into()
}

/// Writes the `impl Controller` of a block of methods.
///
/// A method for each callback and each event, parameters by their types (`ws_core::Param`), and what is returned is the
/// reply (`ws_core::IntoReply`). The block stays as it is written, less the attributes named below, so its methods can be
/// called in unit tests. Methods without such an attribute are plain methods.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_core::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Say {
///     text: String,
/// }
///
/// #[derive(Serialize)]
/// struct Said {
///     room: String,
///     text: String,
/// }
///
/// #[ws_controller(path = "/rooms/{room}")]
/// struct Room;
///
/// #[ws_handlers]
/// impl Room {
///     #[on_open]
///     async fn join(&self, Path(room): &Path<String>) -> Event<String> {
///         Event::new("welcome", room.clone())
///     }
///
///     /// `{"event": "say", "data": {"text": "hi"}, "ref": 7}`
///     #[on_event("say")]
///     async fn say(&self, Path(room): &Path<String>, Data(say): Data<Say>) -> Data<Said> {
///         Data(Said { room: room.clone(), text: say.text })
///     }
///
///     #[on_close]
///     async fn leave(&self, conn: &Connection, reason: CloseReason) {
///         println!("{} left: {reason:?}", conn.id());
///     }
/// }
/// # fn main() {}
/// ```
///
/// # Attributes of the methods
///
/// | attribute | called |
/// |---|---|
/// | `#[on_open]` | once, before the first message |
/// | `#[on_event("name")]` | for each event `{"event": "name", "data": .., "ref": ..}` |
/// | `#[on_unknown]` | for events that no other method has; without it they are answered with the code `unknown_event` |
/// | `#[on_text]`, `#[on_binary]` | for texts that are no envelope, and for binary messages |
/// | `#[on_message]` | for what `#[on_text]` and `#[on_binary]` leave |
/// | `#[on_ping]`, `#[on_pong]` | for pings, which are answered without you, and pongs |
/// | `#[on_close]` | exactly once, whatever ended the connection |
/// | `#[guard(path::to::function)]` | beside one of these: asked first, `async fn(&Handshake) -> Result`; an error refuses the call with the code `forbidden` |
///
/// Each stands at most once, `#[on_event(..)]` at most once for each name. Without events there is no envelope: a text is a text.
/// On a connection that speaks the subprotocol `msgpack` (feature `msgpack` of ws-core) events travel as binary messages.
///
/// A method is `async` and takes `&self`: one controller serves all connections. At most one parameter takes the message; what it takes has to go with the callback.
///
/// # Errors
///
/// All that can be seen in the block is told at once, at its own place. Types that are no parameters or no replies are rustc's own
/// errors, at the type, with the list of those that are. A struct has one such block.
#[proc_macro_attribute]
pub fn ws_handlers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handlers::attribute(arguments.into(), item.into()).into()
}

/// The attributes inside of a `#[ws_handlers]` block; anywhere else they say where they belong.
macro_rules! inside_handlers {
    ($($name:ident: $callback:ident, $what:literal;)*) => {$(
        #[doc = $what]
        ///
        /// It belongs to a method of an `impl` block under [`#[ws_handlers]`](macro@ws_handlers).
        #[proc_macro_attribute]
        pub fn $name(_: TokenStream, item: TokenStream) -> TokenStream {
            let usage = handlers::Callback::$callback.usage();
            let belongs = "to a method of an `impl` block under `#[ws_handlers]`";
            handlers::misplaced(&usage, belongs, item.into()).into()
        }
    )*};
}

inside_handlers! {
    on_open: Open, "The method is called once, before the first message.";
    on_event: Event, "The method is called for each event of this name.";
    on_unknown: Unknown, "The method is called for events that no other method has.";
    on_text: Text, "The method is called for texts that are no envelope.";
    on_binary: Binary, "The method is called for binary messages.";
    on_message: Message, "The method is called for messages that `#[on_text]` and `#[on_binary]` leave.";
    on_ping: Ping, "The method is called for pings.";
    on_pong: Pong, "The method is called for pongs.";
    on_close: Close, "The method is called exactly once, whatever ended the connection.";
}

/// Names a function that is asked before a call: `async fn(&Handshake) -> Result`.
///
/// On a method of a [`#[ws_handlers]`](macro@ws_handlers) block, beside its callback attribute, an error refuses the call: the
/// event is answered with the code `forbidden`, or with the error's own code and public text. On a struct, below
/// [`#[ws_controller(..)]`](macro@ws_controller), it is asked in the handshake, behind the middleware, and an error refuses the connection: with 403,
/// or with the error's own status. What a connection has become since its handshake is in the handshake's context.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Admin;
///
/// async fn admin(handshake: &Handshake) -> Result {
///     handshake.context().get::<Admin>().map(|_| ()).or_status(403, "admins only")
/// }
///
/// #[ws_controller(path = "/rooms")]
/// struct Rooms;
///
/// #[ws_handlers]
/// impl Rooms {
///     #[on_event("close")]
///     #[guard(admin)]
///     async fn close(&self, Data(room): Data<String>) -> Data<bool> {
///         Data(true)
///     }
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn guard(_: TokenStream, item: TokenStream) -> TokenStream {
    let belongs =
        "below `#[ws_controller(..)]` on a struct, or to a method of an `impl` block under `#[ws_handlers]`";
    handlers::misplaced("#[guard(path::to::function)]", belongs, item.into()).into()
}
