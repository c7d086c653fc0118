use ws_core::prelude::*;

#[ws_middleware(order = -3000000000)]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
