//! Invalid names, replies and types of events.

use ws_core::WsEvent;

#[derive(WsEvent)]
struct NoAttribute;

#[derive(WsEvent)]
#[ws_event]
struct NoArguments;

#[derive(WsEvent)]
#[ws_event(reply = u8)]
struct NoName;

#[derive(WsEvent)]
#[ws_event("")]
struct Empty;

#[derive(WsEvent)]
#[ws_event("end")]
struct Reserved;

#[derive(WsEvent)]
#[ws_event(7)]
struct Number;

#[derive(WsEvent)]
#[ws_event("a", reply = u8, stream = u8)]
struct OneAndMany;

#[derive(WsEvent)]
#[ws_event("b", answers = bool, reply = u8, reply = u16)]
struct UnknownAndTwice;

#[derive(WsEvent)]
#[ws_event("c" reply = u8)]
struct NoComma;

#[derive(WsEvent)]
#[ws_event("d", reply = )]
struct NoType;

#[derive(WsEvent)]
#[ws_event("e")]
#[ws_event("f")]
struct Twice;

#[derive(WsEvent)]
#[ws_event("g")]
struct Generic<'a, T, const N: usize>(&'a [T; N]);

#[derive(WsEvent)]
#[ws_event("h")]
union Union {
    number: u8,
}

fn main() {}
