//! A middleware whose parameters are swapped
//! Write: `handshake: Handshake, next: Next<'_>`

use ws_core::prelude::*;

#[ws_middleware]
async fn auth(next: Next<'_>, handshake: Handshake) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
