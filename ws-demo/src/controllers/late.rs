//! 鉴权方式, the second moment: `/wss/late` opens for everyone and looks at the token in `on_open`.
//!
//! What opening first costs: whoever comes gets a 101, a place among the connections and a task with its buffers and
//! timers, and keeps them until the closing handshake is over or its deadline has passed. The client is told that it is
//! connected before it is told that it is not, so one that reconnects takes a refusal for a success; and whatever
//! counts statuses on the way sees a 101 and never a 401. `/wss/demo`, which refuses in the handshake, has none of this.
//!
//! What it gives: a browser's script cannot read the status of a refused handshake, but a close code and its reason it
//! can.

use ws_core::prelude::*;

use crate::{middleware::Auth, users::Users};

/// The close code for a token that is missing or bad.
///
/// 4000 to 4999 are the application's own (RFC 6455 section 7.4.2), and the last three digits are the 401 that the
/// handshake would have answered. 1000 would say that all went well, and a client that reads codes and no prose could
/// not tell "log in again" from a goodbye.
const UNAUTHORIZED: u16 = 4401;

/// Repeats what it hears from those who brought a good token.
///
/// No middleware: `JWT_OPEN` is the switch of the one that this route does without, and changes nothing here.
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
                // As a middleware's claims do, they end the connection when they expire.
                conn.refresh(claims)?;
                if let Some(account) = account {
                    conn.identify(account)?;
                }
                conn.push("Authorization Success")?;
            }
            // From here on no message is handled: what a stranger sent already is not read.
            Err(code) => conn.disconnect(UNAUTHORIZED, code.msg)?,
        }
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(format!("Recv: {}", String::from_utf8_lossy(message.as_bytes())))?;
        Ok(())
    }
}
