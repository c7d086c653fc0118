//! The attributes of `ws-core`: [`ws_controller`], [`ws_handlers`], [`ws_middleware`],
//! [`ws_interceptor`] and [`ws_error_handler`], and the derives [`WsEvent`](derive@WsEvent) and
//! [`WsError`](derive@WsError).
//!
//! Use them through `ws_core`, which exports them. Generated code names `::ws_core`, or the path
//! given as `crate = ..`. Each macro keeps the item as it was written and adds a registration
//! beside it, which the linker collects. Bodies are not rewritten, types are not wrapped, and no
//! type is recognised by its name. The macros check shapes, rustc checks types. Facts about the
//! whole program are checked when the application starts, before any socket is bound.
//!
//! Each attribute and each derive is a folder: *parse* reads the syntax, *model* checks it,
//! *expand* writes the registration. All mistakes that a macro finds are reported at once, and the
//! item is always emitted.

mod args;
mod controller;
mod count;
mod error_handler;
mod error_type;
mod errors;
mod event;
mod functions;
mod handlers;
mod krate;
mod middleware;
mod route_path;
mod signature;
mod size;
mod source;
mod states;
mod time;

use proc_macro::TokenStream;

/// The program in the README of the crate is compiled as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../docs/ws_controller.md")]
#[proc_macro_attribute]
pub fn ws_controller(arguments: TokenStream, item: TokenStream) -> TokenStream {
    controller::attribute(arguments.into(), item.into()).into()
}

#[doc = include_str!("../docs/ws_middleware.md")]
#[proc_macro_attribute]
pub fn ws_middleware(arguments: TokenStream, item: TokenStream) -> TokenStream {
    middleware::attribute(&middleware::MIDDLEWARE, arguments.into(), item.into()).into()
}

#[doc = include_str!("../docs/ws_error_handler.md")]
#[proc_macro_attribute]
pub fn ws_error_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    error_handler::attribute(arguments.into(), item.into()).into()
}

#[doc = include_str!("../docs/ws_interceptor.md")]
#[proc_macro_attribute]
pub fn ws_interceptor(arguments: TokenStream, item: TokenStream) -> TokenStream {
    middleware::attribute(&middleware::INTERCEPTOR, arguments.into(), item.into()).into()
}

#[doc = include_str!("../docs/ws_handlers.md")]
#[proc_macro_attribute]
pub fn ws_handlers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handlers::attribute(arguments.into(), item.into()).into()
}

#[doc = include_str!("../docs/WsEvent.md")]
#[proc_macro_derive(WsEvent, attributes(ws_event))]
pub fn ws_event(item: TokenStream) -> TokenStream {
    event::derive(item.into()).into()
}

#[doc = include_str!("../docs/WsError.md")]
#[proc_macro_derive(WsError, attributes(ws_error))]
pub fn ws_error(item: TokenStream) -> TokenStream {
    error_type::derive(item.into()).into()
}

/// Attributes that are valid only inside another attribute's item. Anywhere else they report an
/// error.
macro_rules! inner_attributes {
    ($($name:ident)*) => {$(
        #[doc = include_str!(concat!("../docs/", stringify!($name), ".md"))]
        #[proc_macro_attribute]
        pub fn $name(_arguments: TokenStream, item: TokenStream) -> TokenStream {
            handlers::outside(stringify!($name), &item.into()).into()
        }
    )*};
}

inner_attributes! {
    on_open on_event on_unknown on_text on_binary on_message on_ping on_pong on_close
    guard
}
