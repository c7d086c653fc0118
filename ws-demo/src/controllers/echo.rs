//! A second route: `/wss/echo`, open to all. The page reaches it under "Other routes".

use ws_core::prelude::*;

use crate::middleware::websocket_auth;

/// Sends back what comes, text as text and binary as binary.
///
/// It names the auth middleware as `/wss/demo` does; being on the middleware's open list, it needs no token. Its largest
/// message may come in pieces of 64 bytes.
#[ws_controller(
    path = "/wss/echo",
    middleware(websocket_auth),
    subprotocols("demo.v1"),
    limits(message = "16MiB", fragments = 262_144)
)]
struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        // `send` waits for room: a client that does not read is not read from either.
        conn.send(message).await?;
        Ok(())
    }
}
