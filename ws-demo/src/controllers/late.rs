//! 鉴权方式, the second moment: `/wss/late` opens every connection and checks the token in `on_open`.
//!
//! The cost: every client gets a 101, a slot among the connections and a task with buffers and
//! timers, until the closing handshake or its deadline ends. The client sees the connection open
//! before it is refused, so a client that reconnects counts the refusal as a success. Proxies and
//! metrics count a 101 and never a 401. `/wss/demo`, which refuses in the handshake, has none of
//! these costs.
//!
//! The benefit: a browser's script cannot read the status of a refused handshake, but it can read a
//! close code and its reason.

use ws_core::prelude::*;

use crate::{middleware::Auth, users::Users};

/// The close code for a missing or invalid token.
///
/// The codes 4000 to 4999 are for applications (RFC 6455 section 7.4.2). The last three digits are
/// the 401 of a refused handshake. The code 1000 would mean a normal end to a client.
const UNAUTHORIZED: u16 = 4401;

/// Repeats the messages of clients with a valid token.
///
/// It has no middleware, so `JWT_OPEN`, a switch of the middleware, has no effect here.
#[ws_controller(path = "/wss/late", subprotocols("demo.v1"))]
struct Late {
    #[state]
    auth: Auth,
    #[state]
    users: Users,
}

impl Controller for Late {
    async fn on_open(&self, conn: &Connection) -> Result {
        match self.auth.check(conn.handshake()) {
            Ok(claims) => {
                let account = self.users.account(claims.data.uid).await?;
                // These claims end the connection when they expire, like those of a middleware.
                conn.refresh(claims)?;
                if let Some(account) = account {
                    conn.identify(account)?;
                }
                conn.push("Authorization Success")?;
            }
            // After this, no message is handled, also if the client has sent one already.
            Err(code) => conn.disconnect(UNAUTHORIZED, code.msg)?,
        }
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(format!("Recv: {}", String::from_utf8_lossy(message.as_bytes())))?;
        Ok(())
    }
}
