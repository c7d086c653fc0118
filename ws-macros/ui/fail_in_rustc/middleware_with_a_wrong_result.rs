use ws_core::prelude::*;

struct ChatError;

#[ws_middleware]
async fn infallible(handshake: Handshake, next: Next<'_>) -> Response {
    next.run(handshake).await.unwrap()
}

#[ws_middleware]
async fn other_error(handshake: Handshake, next: Next<'_>) -> Result<Response, ChatError> {
    next.run(handshake).await.map_err(|_| ChatError)
}

fn main() {}
