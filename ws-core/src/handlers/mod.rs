//! The typed layer: parameters by type, replies by type, and interceptors around callbacks.
//!
//! `#[ws_handlers]` writes an `impl Controller` from the pieces here: [`Param`] makes each parameter,
//! [`IntoReply`] sends what a handler returned, and interceptors (`#[ws_interceptor]`) run around each
//! callback. A controller written by hand has the same connection below it: this module neither reads a
//! socket nor keeps a queue.

mod context;
mod cookie;
mod header;
mod input;
mod interceptor;
mod param;
mod path;
mod payload;
mod ping;
mod query;
mod replier;
mod reply;
#[doc(hidden)]
pub mod support;
#[cfg(feature = "validate")]
mod valid;

#[cfg(feature = "validate")]
#[cfg_attr(docsrs, doc(cfg(feature = "validate")))]
pub use self::valid::Valid;
pub use self::{
    context::Context,
    cookie::Cookie,
    header::Header,
    input::{EventName, Input},
    interceptor::{Callback, CallbackKind, InterceptorFuture, NextHandler},
    param::{FromHandshake, Param, Takes},
    path::Path,
    payload::{Data, Json},
    query::Query,
    replier::Replier,
    reply::{Event, IntoReply, Stream},
};
pub(crate) use self::{
    interceptor::{Around, Intercepted, Interceptor, intercepted},
    ping::pong,
    replier::rate_limited,
};
pub use crate::request::{ParamError, Setup};
