//! 控制器 / the controller: `/wss/demo`, for clients with a token.

use ws_core::prelude::*;

use crate::{login::Claims, middleware::websocket_auth, users::Users};

/// Close code 1000: the purpose is fulfilled (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// `WebSocketController` of the how-to.
///
/// Browsers send their token as a subprotocol, and need another one that the server can choose.
#[ws_controller(path = "/wss/demo", middleware(websocket_auth), subprotocols("demo.v1"))]
struct Demo {
    #[state]
    users: Users,
}

impl Controller for Demo {
    async fn on_open(&self, conn: &Connection) -> Result {
        // The middleware stored the claims. With `JWT_OPEN=false` it accepts handshakes without
        // them.
        let Some(claims) = conn.context().get::<Claims>() else {
            conn.disconnect(NORMAL, "非法请求")?;
            return Ok(());
        };
        if let Some(account) = self.users.account(claims.data.uid).await? {
            conn.identify(account)?;
        }
        conn.push("Authorization Success")?;
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let data = String::from_utf8_lossy(message.as_bytes());
        if data == "nihao" {
            conn.disconnect(NORMAL, self.farewell(conn).await?)?;
            return Ok(());
        }
        conn.push(format!("Recv: {data}"))?;
        conn.push_json(&conn.context().get::<Claims>().as_deref())?;
        Ok(())
    }

    async fn on_close(&self, conn: &Connection, _: CloseReason) -> Result {
        tracing::info!("{}", self.farewell(conn).await?);
        Ok(())
    }
}

impl Demo {
    /// Returns the goodbye text with the account. The account is empty without claims, and for a
    /// user who was removed from the table.
    async fn farewell(&self, conn: &Connection) -> Result<String> {
        let account = match conn.context().get::<Claims>() {
            Some(claims) => self.users.account(claims.data.uid).await?,
            None => None,
        };
        Ok(format!("{} 已由服务端断开连接", account.unwrap_or_default()))
    }
}
