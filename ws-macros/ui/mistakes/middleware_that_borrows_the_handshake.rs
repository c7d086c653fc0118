//! A middleware that takes `&Handshake`
//! Write: `handshake: Handshake`

use ws_core::prelude::*;

#[ws_middleware]
async fn auth(handshake: &Handshake, next: Next<'_>) -> Result<Response> {
    handshake.bearer_token()?;
    todo!()
}

fn main() {}
