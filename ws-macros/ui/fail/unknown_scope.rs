use ws_core::prelude::*;

#[ws_middleware(scope = "global")]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
