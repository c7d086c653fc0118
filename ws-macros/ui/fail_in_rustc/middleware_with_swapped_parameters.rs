use ws_core::prelude::*;

#[ws_middleware]
async fn trace(next: Next<'_>, handshake: Handshake) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
