use ws_core::prelude::*;

#[ws_middleware]
async fn inner(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_middleware]
async fn outer(handshake: Handshake, next: Next<'_>, State(by_hand): State<bool>) -> Result<Response> {
    if by_hand { inner(handshake, next).await } else { next.run(handshake).await }
}

#[ws_error_handler]
async fn io(_error: &std::io::Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn any(error: &Error, scene: &Scene) -> Recovery {
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => io(error, scene).await,
        None => Recovery::pass(),
    }
}
