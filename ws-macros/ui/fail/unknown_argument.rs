use ws_core::prelude::*;

#[ws_controller(path = "/echo", midleware(require_jwt))]
struct Echo;

impl Controller for Echo {}

#[ws_controller(path = "/limited", limits(messages = "1MiB"))]
struct Limited;

impl Controller for Limited {}

#[ws_middleware(priority = 10)]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_error_handler(scope = "route")]
async fn any(_error: &Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}

fn main() {}
