//! A user's items with names that an expansion might use.
#![allow(dead_code, unused_macros, non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod core {}
mod std {}
mod ws_core_private {}

struct Box;
struct Result;
struct Option;
struct String;
struct Some;
struct Pin;
struct Vec;
struct Default;
struct Location;
struct Layer;
struct LayerRef;
struct RouteSpec;
struct Cow;
struct StateKey;
struct States;
trait Into {}
trait FromState {}
trait Handled {}
fn Ok() {}
fn Err() {}
fn None() {}
fn erase() {}
fn type_id_of() {}
const states: u8 = 0;
const next: u8 = 0;
const error: u8 = 0;
const scene: u8 = 0;
struct handshake;
struct response;

macro_rules! submit {
    () => {};
}
macro_rules! location {
    () => {};
}
macro_rules! module_path {
    () => {};
}

#[::ws_core::ws_controller(
    path = "/echo",
    middleware(trace, throttle),
    subprotocols("a"),
    limits(message = "1B")
)]
struct Controller {
    #[state]
    users: u32,
    other: u8,
}

impl ::ws_core::Controller for Controller {}

#[::ws_core::ws_controller(path = "/entry")]
struct ControllerEntry;

impl ::ws_core::Controller for ControllerEntry {}

#[::ws_core::ws_middleware(scope = "route")]
async fn trace(
    h: ::ws_core::Handshake,
    n: ::ws_core::Next<'_>,
    _: ::ws_core::State<u32>,
) -> ::ws_core::Result<::ws_core::Response> {
    n.run(h).await
}

#[::ws_core::ws_middleware(scope = "route")]
async fn throttle(h: ::ws_core::Handshake, n: ::ws_core::Next<'_>) -> ::ws_core::Result<::ws_core::Response> {
    n.run(h).await
}

#[::ws_core::ws_middleware]
async fn call(h: ::ws_core::Handshake, n: ::ws_core::Next<'_>) -> ::ws_core::Result<::ws_core::Response> {
    n.run(h).await
}

#[::ws_core::ws_error_handler]
async fn recovery(_: &::ws_core::Error, _: &::ws_core::Scene) -> ::ws_core::Recovery {
    ::ws_core::Recovery::pass()
}
