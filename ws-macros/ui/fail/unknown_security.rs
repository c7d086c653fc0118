use ws_core::prelude::*;

#[ws_middleware(security("basic", "cookie", "cookie:", "query:token", "header:x-token", "bearer", "bearer"))]
async fn unknown(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_middleware(security = "bearer")]
async fn of_another_form(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_middleware(security())]
async fn nothing(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_interceptor(security("bearer"))]
async fn of_an_interceptor(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    next.run(callback).await
}

fn main() {}
