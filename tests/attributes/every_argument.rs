use ws_core::prelude::*;

#[ws_controller(
    path = r"/rooms/{room}/files/{*rest}",
    server = "admin",
    middleware(require_jwt, auth::throttle, crate::every_argument::auth::trace,),
    subprotocols("chat.v2", "chat.v1"),
    subprotocol_mismatch = "accept",
    trailing_slash = "either",
    limits(
        message = "64KiB",
        frame = 16_384,
        fragments = 1_024,
        messages_per_second = 20,
        message_burst = 50,
        over_rate = "refuse",
        outbox_messages = 64,
        outbox_bytes = "256KiB",
        rooms = 8,
        tasks = 4,
        inbox_messages = 16,
        inbox_bytes = "64KiB",
        overflow = "drop_oldest",
        handler_timeout = "500ms",
        lifetime = "12h",
    ),
)]
struct Room;

impl Controller for Room {}

#[ws_controller(
    path = "/",
    subprotocol_mismatch = "refuse",
    trailing_slash = "exact",
    limits(frame = "1MB", messages_per_second = "off", over_rate = "close", rooms = 0, handler_timeout = "off")
)]
struct Root;

impl Controller for Root {}

#[ws_controller(path = "/ws/chat/")]
struct EndsWithSlash;

impl Controller for EndsWithSlash {}

#[ws_middleware(scope = "route")]
async fn require_jwt(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    handshake.bearer_token()?;
    next.run(handshake).await
}

mod auth {
    use ws_core::prelude::*;

    #[ws_middleware(scope = "route",)]
    pub async fn throttle(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        next.run(handshake).await
    }

    #[ws_middleware(server = "admin", order = -2_147_483_648)]
    pub async fn trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        next.run(handshake).await
    }
}

#[ws_error_handler(server = "admin", order = 5)]
async fn io(_error: &std::io::Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}
