#![allow(unused_variables)]

use ws_core::prelude::*;

#[ws_middleware]
async fn trace(handshake: &Handshake, next: Next<'_>) -> Result<Response> {
    todo!()
}

fn main() {}
