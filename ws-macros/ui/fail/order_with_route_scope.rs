use ws_core::prelude::*;

#[ws_middleware(scope = "route", order = 10)]
async fn require_jwt(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_middleware(server = "admin", scope = "route")]
async fn throttle(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
