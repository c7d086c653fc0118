use ws_core::prelude::*;

#[ws_controller(path = "")]
struct Empty;

#[ws_controller(path = "echo")]
struct Relative;

#[ws_controller(path = "/echo//")]
struct TrailingSlash;

#[ws_controller(path = "/rooms//users")]
struct EmptySegment;

#[ws_controller(path = "/rooms/{room}/users/{room}")]
struct RepeatedParameter;

#[ws_controller(path = "/rooms/{room")]
struct Unclosed;

#[ws_controller(path = "/rooms/room}")]
struct Unopened;

#[ws_controller(path = "/rooms/{}")]
struct Unnamed;

#[ws_controller(path = "/rooms/{room-id}")]
struct NoIdentifier;

#[ws_controller(path = "/rooms/{room}-{user}")]
struct TwoInOneSegment;

#[ws_controller(path = "/{*rest}/end")]
struct RestInTheMiddle;

#[ws_controller(path = "/rooms?id={id}")]
struct WithQuery;

#[ws_controller(path = "/my room")]
struct WithSpace;

#[ws_controller(path = "/räume")]
struct NotEncoded;

#[ws_controller(path = "/rooms/:room")]
struct OtherSyntax;

fn main() {}
