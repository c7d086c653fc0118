//! The typed layer: parameters by type, replies by type, and interceptors around callbacks.
//!
//! `#[ws_handlers]` generates an `impl Controller` that uses this module. [`Param`] makes each
//! parameter of a handler, [`IntoReply`] sends the handler's return value, and [`Reply`] sends a
//! reply later. Interceptors (`#[ws_interceptor]`) run around each callback.
//!
//! The module stands above [`Controller`](crate::Controller): the session calls the generated
//! controller as it calls one written by hand. It must not read a socket or keep a queue.

mod call;
mod context;
mod cookie;
mod deferred;
mod describe;
#[doc(hidden)]
pub mod dispatch;
mod guard;
mod header;
mod input;
mod interceptor;
mod model;
mod param;
mod path;
mod payload;
mod ping;
mod query;
mod replier;
mod reply;
#[doc(hidden)]
pub mod rules;
mod sending;
#[doc(hidden)]
pub mod support;
#[cfg(feature = "validate")]
mod valid;

#[doc(hidden)]
pub use self::sending::Sending;
#[cfg(feature = "validate")]
#[cfg_attr(docsrs, doc(cfg(feature = "validate")))]
pub use self::valid::Valid;
pub use self::{
    context::Context,
    cookie::Cookie,
    deferred::Reply,
    header::Header,
    input::{EventName, Input},
    interceptor::{Callback, CallbackKind, InterceptorFn, InterceptorFuture, NextHandler},
    param::{FromHandshake, Param},
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
pub use crate::{
    envelope::{ReplyForm, ReplyName, WsAsk, WsCall, WsEvent},
    request::{ParamError, Setup, Takes},
};
