//! A second route: `/wss/echo`, without a token. The page has it under "Other routes".

use ws_core::prelude::*;

use crate::middleware::websocket_auth;

/// Sends each message back: text as text, binary as binary.
///
/// It names the auth middleware like `/wss/demo`, but is on the middleware's list of open routes,
/// so it needs no token. Its largest message may arrive in fragments of 64 bytes.
#[ws_controller(
    path = "/wss/echo",
    middleware(websocket_auth),
    subprotocols("demo.v1"),
    limits(message = "16MiB", fragments = 262_144)
)]
struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        // `send` waits for room in the outbox: while a client does not read, the server does not
        // read from it.
        conn.send(message).await?;
        Ok(())
    }
}
