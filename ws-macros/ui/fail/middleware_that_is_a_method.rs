use ws_core::prelude::*;

struct Auth;

impl Auth {
    #[ws_middleware]
    async fn require(&self, handshake: Handshake, next: Next<'_>) -> Result<Response> {
        next.run(handshake).await
    }
}

fn main() {}
