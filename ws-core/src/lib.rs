#![doc = include_str!("lib.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod app;
mod caught;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub mod client;
pub mod config;
pub mod connection;
#[cfg(feature = "console")]
#[cfg_attr(docsrs, doc(cfg(feature = "console")))]
pub mod console;
#[cfg(feature = "asyncapi")]
#[cfg_attr(docsrs, doc(cfg(feature = "asyncapi")))]
pub mod contract;
mod controller;
mod envelope;
pub mod error;
#[cfg(feature = "deflate")]
mod extension;
mod fixed;
mod function;
#[cfg(any(test, all(fuzzing, feature = "testing")))]
#[doc(hidden)]
pub mod fuzzing;
pub mod handlers;
pub mod handshake;
pub mod hub;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub mod jwt;
mod layer;
mod place;
mod random;
pub mod recovery;
mod registry;
mod request;
mod schema;
mod server;
mod session;
mod socket;
pub mod state;
mod sync;
pub mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod throttle;
mod wire;

pub use bytes::Bytes;
pub use headers;
pub use http::StatusCode;
pub use ws_macros::{
    WsError, WsEvent, guard, on_binary, on_close, on_event, on_message, on_open, on_ping, on_pong, on_text,
    on_unknown, ws_controller, ws_error_handler, ws_handlers, ws_interceptor, ws_middleware,
};

pub use self::{
    app::{App, Running, StartError},
    config::Config,
    connection::{CloseReason, Connection, ConnectionId},
    controller::Controller,
    error::{Error, Result},
    handlers::{Data, Event, Path, Stream, WsEvent},
    handshake::{Handshake, Next, Response, Route},
    hub::Hub,
    recovery::{Recovery, Scene},
    state::State,
    wire::{Message, Text},
};

/// The names that a file with controllers and middleware needs: `use ws_core::prelude::*;`.
pub mod prelude {
    pub use crate::{
        App, Bytes, CloseReason, Config, Connection, ConnectionId, Controller, Data, Error, Event, Handshake,
        Hub, Message, Next, Path, Recovery, Response, Result, Scene, StartError, State, StatusCode, Stream,
        Text, WsError, WsEvent,
        error::OrStatus,
        guard,
        handlers::{Callback, Context, Json, NextHandler, Query, Reply},
        handshake::Body,
        on_binary, on_close, on_event, on_message, on_open, on_ping, on_pong, on_text, on_unknown,
        recovery::Phase,
        ws_controller, ws_error_handler, ws_handlers, ws_interceptor, ws_middleware,
    };
}

/// The program in the README of the crate is compiled as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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
    ($name:ident :: $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "`link!` links whole crates; write `link!(",
            ::core::stringify!($name),
            ")`"
        ));
    };
    ($($other:tt)*) => {
        ::core::compile_error!("expected names of crates, such as `link!(my_controllers)`");
    };
}

/// The names that generated code uses. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use inventory::submit;

    pub use crate::{
        config::{CompressionMode, OverRate, Overflow, TrailingSlash},
        envelope::EventInfo,
        error::PublicPart,
        handlers::{InterceptorFuture, support as handlers},
        handshake::{GuardFuture, GuardRef, MiddlewareFuture, RouteSpec},
        layer::{Layer, LayerRef},
        place::{Location, Scope, SubprotocolMismatch, path_of, type_id_of},
        recovery::{Handled, HandlerFuture},
        registry::{
            ControllerEntry, ErrorHandlerEntry, ErrorTypeEntry, HandlersEntry, InterceptorEntry,
            MiddlewareEntry, exactly, unchanged,
        },
        request::{HandlerInfo, Kept, Security},
        session::{Erased, erase},
        state::{FieldDefault, FromState, StateKey, States},
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

    /// The description of types. Builds without the feature `asyncapi` do not compile it. In such
    /// builds `ws-macros` does not write it, but Cargo may build `ws-macros` once for two builds of
    /// this crate, of which one has the feature.
    #[cfg(feature = "asyncapi")]
    #[macro_export]
    #[doc(hidden)]
    macro_rules! __describe {
        ($($description:tt)*) => { ::core::option::Option::Some($($description)*) };
    }
    #[cfg(not(feature = "asyncapi"))]
    #[macro_export]
    #[doc(hidden)]
    macro_rules! __describe {
        ($($description:tt)*) => {
            ::core::option::Option::None
        };
    }
    pub use crate::__describe as describe;
}
