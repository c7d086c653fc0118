use ws_core::{Route, prelude::*};

struct Room;

impl Controller for Room {}

async fn middleware(handshake: Handshake) -> Result<Response> {
    drop(handshake);
    Ok(Response::default())
}

async fn interceptor(callback: Callback<'_>, _: NextHandler<'_>, _: &str) -> Result {
    drop(callback);
    Ok(())
}

async fn error_handler(_: &Error, _: &Scene) -> Result {
    Ok(())
}

async fn guard(_: Handshake) -> Result {
    Ok(())
}

fn main() {
    let _ = App::without_registry().middleware("ws", 0, middleware);
    let _ = App::without_registry().interceptor("ws", 0, interceptor);
    let _ = App::without_registry().error_handler(None, 0, error_handler);
    let _ = Route::new("/", Room).guard(guard);
}
