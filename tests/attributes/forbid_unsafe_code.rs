#![forbid(unsafe_code)]

use ws_core::prelude::*;

#[ws_controller(path = "/echo", middleware(trace))]
struct Echo;

impl Controller for Echo {}

#[ws_middleware]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_error_handler]
async fn any(_error: &Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}
