use ws_core::prelude::*;

#[ws_middleware(scope = "route")]
async fn require_jwt(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_controller(path = "/echo", middleware(require_jwt, require_jwt))]
struct Echo;

impl Controller for Echo {}

fn main() {}
