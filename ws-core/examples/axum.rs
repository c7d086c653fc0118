//! WebSocket controllers inside an existing axum program: `App::into_service` returns a tower
//! service.
//!
//! Run:  cargo run -p ws-core --example axum     (serves on 127.0.0.1:3000 until Ctrl-C)
//! Test: cargo test -p ws-core --example axum

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::{error::Error as StdError, net::SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    routing::get,
};
use tokio::net::TcpListener;
use ws_core::{Hub, app::ShutdownReport, prelude::*};

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
async fn main() -> Result<(), Box<dyn StdError>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("serving; connect with: python3 -m websockets ws://127.0.0.1:3000/ws/echo");
    println!("the number of connections: http://127.0.0.1:3000/online");
    serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

/// Serves until `stop` is ready.
async fn serve(
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<ShutdownReport, Box<dyn StdError>> {
    // `ws` listens nowhere; the axum router below passes its requests on. `running` closes the
    // connections.
    let (ws, running) = App::new().config(Config::default()).into_service("ws").await?;
    // `conn.peer_addr()` returns the address in `ConnectInfo`.
    let ws = ws.peer_addr_from(|extensions| extensions.get().map(|ConnectInfo(addr)| *addr));
    let router = Router::new()
        .route("/online", get(async |State(hub): State<Hub>| hub.count_local().to_string()))
        .with_state(running.hub())
        .route_service("/ws/{*path}", ws);

    let (stop_axum, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>());
    let serving = tokio::spawn(serving.with_graceful_shutdown(async { drop(stopped.await) }).into_future());

    stop.await;
    // First the connections, which axum does not track after the upgrade. Meanwhile new handshakes
    // are refused with 503 and pages are served; `running.readiness()` could answer `/readyz`.
    // Then axum itself.
    let report = running.shutdown().await;
    drop(stop_axum);
    serving.await??;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::{net::TcpListener, sync::oneshot};
    use tokio_tungstenite::{connect_async, tungstenite::Message};

    #[tokio::test]
    async fn axum_passes_handshakes_on_and_the_end_is_clean() -> Result<(), Box<dyn StdError>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let client = async {
            let (mut client, _) = connect_async(format!("ws://{address}/ws/echo")).await?;
            assert_eq!(client.next().await.unwrap()?, Message::text("hello 127.0.0.1"));
            client.send(Message::text("hi")).await?;
            assert_eq!(client.next().await.unwrap()?, Message::text("hi"));
            drop(stop);
            while client.next().await.is_some() {} // answers the close frame of the shutdown
            Ok::<_, Box<dyn StdError>>(())
        };
        let (served, talked) = tokio::join!(super::serve(listener, async { drop(stopped.await) }), client);
        talked?;
        let report = served?;
        assert_eq!((report.closed, report.cut), (1, 0));
        Ok(())
    }
}
