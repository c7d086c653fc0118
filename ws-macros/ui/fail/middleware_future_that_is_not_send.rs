use std::rc::Rc;

use ws_core::prelude::*;

#[ws_middleware]
async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let id = Rc::new(1);
    let response = next.run(handshake).await;
    drop(id);
    response
}

fn main() {}
