use ws_core::prelude::*;

#[ws_middleware]
async fn check(handshake: &Handshake, next: Next<'_>) -> Result<Response> {
    drop((handshake, next));
    Err(Error::new("no"))
}

#[ws_middleware]
async fn throttle(handshake: &mut Handshake, next: Next<'_>) -> Result<Response> {
    drop((handshake, next));
    Err(Error::new("no"))
}

#[ws_interceptor]
async fn timing(callback: &Callback<'_>, next: &NextHandler<'_>) -> Result {
    drop((callback, next));
    Err(Error::new("no"))
}

fn main() {}
