use ws_core::prelude::*;

#[ws_middleware]
struct Throttle;

trait Auth {
    #[ws_middleware]
    async fn require(handshake: Handshake, next: Next<'_>) -> Result<Response>;
}

fn main() {}
