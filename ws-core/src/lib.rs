#![doc = include_str!("lib.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod caught;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub mod client;
pub mod config;
mod connection;
mod controller;
mod envelope;
mod error;
mod fixed;
#[cfg(all(fuzzing, feature = "testing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
mod handshake;
mod hub;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub mod jwt;
mod layer;
mod place;
mod recovery;
mod registry;
mod request;
mod server;
mod session;
mod socket;
mod state;
mod sync;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod throttle;
mod wire;

pub use bytes::Bytes;
pub use headers;
pub use http::StatusCode;
pub use ws_macros::{
    guard, on_binary, on_close, on_event, on_message, on_open, on_ping, on_pong, on_text, on_unknown,
    ws_controller, ws_error_handler, ws_handlers, ws_interceptor, ws_middleware,
};

pub use self::{
    app::{App, HookOutcome, Problem, RouteInfo, RouteTable, Running, ShutdownReport, StartError, Starting},
    config::{Config, ConfigError},
    connection::{AskError, Connection, PendingAsk},
    controller::Controller,
    envelope::EventError,
    error::{Error, HandshakeError, OrStatus, Result},
    handlers::{
        Callback, CallbackKind, Context, Cookie, Data, Event, EventName, FromHandshake, Header, Input,
        IntoReply, Json, NextHandler, Param, Path, Query, Replier, Stream, Takes,
    },
    handshake::{DefaultUpgrade, MiddlewareFn, Next, Route, Upgrade},
    hub::{
        Delivery, Hub, InTurns, Incomplete, JoinError, MemberEvent, Members, NotSent, Presence,
        PresenceEvent, Reach, Remote, Room, Target, User,
    },
    place::{Location, SubprotocolMismatch},
    recovery::{Phase, Recovery, Scene},
    request::{Body, ContextMap, Handshake, ParamError, Response, Setup, TokenSources},
    server::{HttpService, Readiness, TlsError, WsService},
    state::{FromState, State, StateKey, States},
    wire::{CloseReason, ConnectionId, Message, MessageError, ParseConnectionIdError, SendError, Text},
};

#[cfg(feature = "validate")]
#[cfg_attr(docsrs, doc(cfg(feature = "validate")))]
pub use self::handlers::Valid;

/// The names that a file with controllers and middleware needs: `use ws_core::prelude::*;`.
pub mod prelude {
    pub use crate::{
        App, Body, Bytes, Callback, CallbackKind, CloseReason, Config, Connection, ConnectionId, Context,
        Controller, Cookie, Data, Error, Event, EventName, Handshake, Header, Hub, Json, Message, Next,
        NextHandler, OrStatus, Path, Phase, Query, Recovery, Response, Result, Scene, StartError, State,
        StatusCode, Stream, Text, guard, on_binary, on_close, on_event, on_message, on_open, on_ping,
        on_pong, on_text, on_unknown, ws_controller, ws_error_handler, ws_handlers, ws_interceptor,
        ws_middleware,
    };
}

/// Names a crate so that its controllers, middleware and error handlers are linked in.
///
/// Registration happens at link time. A crate that nothing names is not linked, so its
/// registrations are missing without an error. This is also true of the library beside a `main.rs`
/// of one package.
///
/// ```
/// # extern crate self as my_controllers;
/// ws_core::link!(my_controllers);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! link {
    ($($name:ident),+ $(,)?) => {
        $(const _: () = { #[allow(unused_imports)] use $name as _; };)+
    };
}

/// The names that generated code uses. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use inventory::submit;

    pub use crate::{
        config::{OverRate, Overflow, TrailingSlash},
        handlers::{InterceptorFuture, support as handlers},
        handshake::{GuardFuture, GuardRef, MiddlewareFuture, RouteSpec},
        layer::{Layer, LayerRef},
        place::{Location, Scope, SubprotocolMismatch, type_id_of},
        recovery::HandlerFuture,
        registry::{
            ControllerEntry, ErrorHandlerEntry, Handled, HandlerInfo, HandlersEntry, InterceptorEntry,
            MiddlewareEntry, exactly,
        },
        request::Kept,
        session::{Erased, erase},
        state::{FromState, StateKey, States},
    };

    /// The place of the attribute.
    #[macro_export]
    #[doc(hidden)]
    macro_rules! __location {
        () => {
            $crate::__private::Location {
                module: ::core::module_path!(),
                file: ::core::file!(),
                line: ::core::line!(),
            }
        };
    }
    pub use crate::__location as location;
}
