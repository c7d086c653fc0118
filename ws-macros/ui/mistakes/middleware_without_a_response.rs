//! A middleware that returns `Result`
//! Write: `-> Result<Response>`, and the response of `next.run(handshake).await`

use ws_core::prelude::*;

#[ws_middleware]
async fn auth(handshake: Handshake, next: Next<'_>) -> Result {
    next.run(handshake).await?;
    Ok(())
}

fn main() {}
