#![allow(unused_variables)]

use ws_core::prelude::*;

struct NotClone;

#[ws_middleware]
async fn trace(handshake: Handshake, next: Next<'_>, limit: u32) -> Result<Response> {
    next.run(handshake).await
}

#[ws_middleware]
async fn throttle(handshake: Handshake, next: Next<'_>, State(_): State<NotClone>) -> Result<Response> {
    next.run(handshake).await
}

fn main() {}
