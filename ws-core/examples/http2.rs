//! WebSocket over HTTP/2 and HTTP/1.1 on one port with TLS: `App::into_service` in a server of
//! hyper, behind a router of axum.
//!
//! Run:  cargo run -p ws-core --example http2     (serves on a free port until Ctrl-C)
//! Test: cargo test -p ws-core --example http2

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::{error::Error as StdError, sync::Arc, time::Duration};

use axum::{Router, response::Html, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::CertificateDer},
};
use ws_core::prelude::*;

/// Greets with the version of HTTP that carries the connection, then repeats what it gets.
#[ws_controller(path = "/ws")]
struct Echo;

impl Controller for Echo {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push(format!("{:?}", conn.handshake().version()))?)
    }
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let (tls, _) = self_signed()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("serving on {address}; open https://localhost:{}", address.port());
    serve(listener, tls, async { drop(tokio::signal::ctrl_c().await) }).await
}

/// Makes a certificate for `localhost`, and a TLS acceptor that offers both versions of HTTP.
fn self_signed() -> Result<(TlsAcceptor, CertificateDer<'static>), Box<dyn StdError>> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = certified.cert.der().clone();
    let key = certified.signing_key.serialize_der().try_into()?;
    let mut tls =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key)?;
    // A client chooses HTTP/2 here, or never.
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(tls)), certificate))
}

/// Serves until `stop` is ready.
async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn StdError>> {
    let (ws, running) = App::new().config(Config::default()).into_service("ws").await?;
    let router =
        Router::new().route("/", get(async || Html("<title>HTTP/2</title>"))).route_service("/ws", ws);
    tokio::select! {
        () = accept(listener, tls, router) => {}
        () = stop => {}
    }
    running.shutdown().await;
    Ok(())
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http2()
        .enable_connect_protocol()
        // The bytes that one stream may send while its controller does not read, and those of all
        // streams of a connection. With equal windows one stream would stop the others.
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(4 << 20)
        // Finds connections whose client is gone; the heartbeat finds only their streams.
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30));
    while let Ok((stream, peer)) = listener.accept().await {
        // `peer_addr()` and the limits of an address use an extension of this type.
        let service = TowerToHyperService::new(router.clone().layer(axum::Extension(peer)));
        let (http, tls) = (http.clone(), tls.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = timeout(Duration::from_secs(10), tls.accept(stream)).await {
                let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as StdError, sync::Arc};

    use futures_util::{SinkExt as _, StreamExt as _};
    use http_body_util::Empty;
    use hyper::{Request, ext::Protocol};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        net::{TcpListener, TcpStream},
        sync::oneshot,
    };
    use tokio_rustls::{
        TlsConnector,
        rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
    };
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };
    use ws_core::Bytes;

    #[tokio::test]
    async fn a_websocket_is_a_stream_of_an_http2_connection() -> Result<(), Box<dyn StdError>> {
        let (tls, certificate) = super::self_signed()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let client = async {
            let mut roots = RootCertStore::empty();
            roots.add(certificate)?;
            let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            tls.alpn_protocols = vec![b"h2".to_vec()];
            let stream = TcpStream::connect(addr).await?;
            let stream =
                TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from("localhost")?, stream).await?;
            let (mut http2, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            tokio::spawn(connection);

            let url = format!("https://localhost:{}", addr.port());
            // A first request; with its response the settings have arrived, which allow what comes next.
            http2.send_request(Request::get(&url).body(Empty::<Bytes>::new())?).await?;
            let handshake = Request::connect(format!("{url}/ws"))
                .extension(Protocol::from_static("websocket"))
                .header("sec-websocket-version", "13")
                .body(Empty::new())?;
            let response = http2.send_request(handshake).await?;
            assert_eq!(response.status(), 200);
            let stream = TokioIo::new(hyper::upgrade::on(response).await?);
            let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
            assert_eq!(client.next().await.unwrap()?, Message::text("HTTP/2.0"));
            client.send(Message::text("hi")).await?;
            assert_eq!(client.next().await.unwrap()?, Message::text("hi"));
            client.close(None).await?;
            while client.next().await.is_some() {}
            drop(stop);
            Ok::<_, Box<dyn StdError>>(())
        };
        let (served, talked) =
            tokio::join!(super::serve(listener, tls, async { drop(stopped.await) }), client);
        talked?;
        served
    }
}
