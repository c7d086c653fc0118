use ws_core::prelude::*;

#[ws_controller(path = "/a", subprotocols("chat.v1", "chat.v1"))]
struct Repeated;

#[ws_controller(path = "/b", subprotocols("chat v1", "chat,v2", ""))]
struct NoToken;

#[ws_controller(path = "/c", subprotocols("chat.v1"), subprotocol_mismatch = "reject")]
struct UnknownAnswer;

fn main() {}
