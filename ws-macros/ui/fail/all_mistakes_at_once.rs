use ws_core::prelude::*;

#[ws_controller(path = "rooms", sever = "ws", subprotocols("a b"), limits(message = "much"), server)]
struct Rooms<T> {
    #[state()]
    users: T,
}

#[ws_middleware(scope = "route", order = 99999999999)]
fn throttle<T>(self, handshake: Handshake) {}

fn main() {}
