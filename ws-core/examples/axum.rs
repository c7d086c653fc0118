//! WebSocket controllers in an existing axum program: `App::into_service` is a tower service.
//!
//! Run: cargo run -p ws-core --example axum             (talks to itself, then ends)
//! Or:  cargo run -p ws-core --example axum -- serve    (serves on 127.0.0.1:3000 until Ctrl-C)

use std::{error::Error as StdError, net::SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    routing::get,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::Message as WsMessage};
use ws_core::{Hub, prelude::*};

#[ws_controller(path = "/ws/echo")]
struct Echo;

impl Controller for Echo {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push(format!("hello {}", conn.peer_addr().ok_or("no peer address")?.ip()))?)
    }
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn StdError>> {
    let is_serving = std::env::args().nth(1).as_deref() == Some("serve");

    // `ws` is not bound; the axum router below passes its requests on. `running` ends its
    // connections.
    let (ws, running) = App::new().config(Config::default()).into_service("ws").await?;
    // `conn.peer_addr()` returns the address in `ConnectInfo`.
    let ws = ws.peer_addr_from(|extensions| extensions.get().map(|ConnectInfo(addr)| *addr));
    let router = Router::new()
        .route("/online", get(async |State(hub): State<Hub>| hub.count_local().to_string()))
        .with_state(running.hub())
        .route_service("/ws/{*path}", ws);

    let listener = TcpListener::bind(if is_serving { "127.0.0.1:3000" } else { "127.0.0.1:0" }).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>());
    let serving = tokio::spawn(serving.with_graceful_shutdown(async { drop(stopped.await) }).into_future());

    if is_serving {
        tokio::signal::ctrl_c().await?;
    } else {
        talk(address).await?;
    }
    // First the connections, because axum does not track upgraded ones. Meanwhile new ones are
    // refused with 503, and pages are still served (also a `/readyz` over `running.readiness()`).
    // Then axum itself.
    let report = running.shutdown().await;
    assert_eq!(report.cut, 0);
    drop(stop);
    serving.await??;
    Ok(())
}

async fn talk(address: SocketAddr) -> std::result::Result<(), Box<dyn StdError>> {
    let (mut client, _) = connect_async(format!("ws://{address}/ws/echo")).await?;
    assert_eq!(client.next().await.ok_or("no greeting")??, WsMessage::text("hello 127.0.0.1"));
    client.send(WsMessage::text("hi")).await?;
    assert_eq!(client.next().await.ok_or("no echo")??, WsMessage::text("hi"));
    client.close(None).await?;
    while client.next().await.is_some() {}
    Ok(())
}
