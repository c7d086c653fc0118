use ws_core::prelude::*;

#[ws_controller("/echo")]
struct Positional;

#[ws_controller(path("/echo"), server, middleware = throttle, subprotocols(chat), limits())]
struct Confused;

#[ws_controller(path = "/echo" server = "ws")]
struct WithoutComma;

#[ws_controller(path = "/echo", server = "")]
struct Nameless;

#[ws_middleware(order = "first")]
async fn ordered(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
