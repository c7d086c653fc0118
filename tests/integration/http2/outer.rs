//! The outer servers: both handshakes on one port of hyper and of axum, and the client of hyper.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo, response::IntoResponse as _, routing::get};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{Client, Outer, connect, echo};
use crate::support::{Raw, config, expect_close, next_text, send, within};

/// The version of HTTP that a client of HTTP/1.1 and one of HTTP/2 see.
async fn versions(addr: SocketAddr, path: &str) -> [String; 2] {
    let url = format!("ws://{addr}{path}");
    let (mut client, _) = within("connect", tokio_tungstenite::connect_async(url)).await.unwrap();
    send(&mut client, "version").await;
    let http2 = Client::connect(addr).await;
    let mut stream = http2.open(path).await;
    stream.text("version");
    [next_text(&mut client).await, stream.read_text().await]
}

#[tokio::test]
async fn both_handshakes_have_one_port_of_hyper() {
    let outer = Outer::start(echo()).await;
    assert_eq!(versions(outer.addr, "/echo").await, ["HTTP/1.1", "HTTP/2.0"]);
}

#[tokio::test]
async fn both_handshakes_have_one_port_of_axum_with_its_routes_and_middleware() {
    let (service, running) = echo().config(config()).into_service("ws").await.unwrap();
    let service = service.peer_addr_from(|extensions| extensions.get().map(|ConnectInfo(addr)| *addr));
    let tag = async |request: axum::extract::Request, next: axum::middleware::Next| {
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-outer", http::HeaderValue::from_static("axum"));
        response
    };
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .nest_service("/ws", service)
        .layer(axum::middleware::from_fn(tag))
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    assert_eq!(versions(addr, "/ws/echo").await, ["HTTP/1.1", "HTTP/2.0"]);
    let client = Client::connect(addr).await;
    let stream = client.open("/ws/echo").await;
    assert_eq!(super::header(&stream.head, "x-outer"), Some("axum"));
    let hello = client.answer(Request::get(format!("http://{addr}/hello"))).await;
    assert_eq!((hello.status, &*hello.body), (200, "hello"));
    assert_eq!(client.answer(connect("/ws/nowhere")).await.status, 404);
    // A request over HTTP/1.1 is answered as before.
    let plain = Raw::connect(addr).await.request("GET /ws/echo HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    drop(stream);
    running.shutdown().await;
}

#[tokio::test]
async fn hyper_and_tungstenite_are_a_client() {
    let outer = Outer::start(echo()).await;
    let stream = TcpStream::connect(outer.addr).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = within("settings", async {
        loop {
            let request = Request::builder()
                .method(Method::CONNECT)
                .uri("http://localhost/echo")
                .header("sec-websocket-version", "13")
                .extension(hyper::ext::Protocol::from_static("websocket"))
                .body(Empty::<Bytes>::new())
                .unwrap();
            sender.ready().await.unwrap();
            // An error until the settings of the server have arrived.
            if let Ok(response) = sender.send_request(request).await {
                break response;
            }
        }
    })
    .await;
    assert_eq!(response.status(), 200);
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut client = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let message = Message::binary(vec![7; size]);
        client.send(message.clone()).await.unwrap();
        assert!(within("an echo", client.next()).await.unwrap().unwrap() == message, "{size}");
    }
    client.send(Message::text("version")).await.unwrap();
    assert_eq!(within("a version", client.next()).await.unwrap().unwrap().to_text().unwrap(), "HTTP/2.0");
    let (_, last) = tokio::join!(client.close(None), outer.running.shutdown());
    assert_eq!(last.lost, 0);
}

#[tokio::test]
async fn a_drain_closes_the_connections_of_both_versions() {
    let outer = Outer::start(echo()).await;
    let url = format!("ws://{}/echo", outer.addr);
    let (mut old, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let client = Client::connect(outer.addr).await;
    let mut new = client.open("/echo").await;
    let (report, closed, ()) = tokio::join!(outer.running.shutdown(), expect_close(&mut old), async {
        assert_eq!(new.read_frame().await.close().0, 1001);
        new.frame(0x88, &1001_u16.to_be_bytes());
    });
    assert_eq!((closed.0, report.closed, report.lost, report.cut), (1001, 2, 0, 0));
}

#[tokio::test]
async fn a_response_that_the_outer_server_withholds_or_replaces_frees_its_place() {
    let mut config = config();
    config.servers[0].limits.connections = 1;
    config.servers[0].limits.handshake_timeout = Duration::from_millis(200);
    let (service, running) = echo().config(config).into_service("ws").await.unwrap();
    let keeps = async |request: axum::extract::Request, next: axum::middleware::Next| {
        let query = request.uri().query().map(str::to_owned);
        let response = next.run(request).await;
        match query.as_deref() {
            Some("withhold") => std::future::pending().await,
            Some("replace") => axum::http::StatusCode::BAD_GATEWAY.into_response(),
            _ => response,
        }
    };
    let router = Router::new().fallback_service(service).layer(axum::middleware::from_fn(keeps));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::connect(addr).await;
    assert_eq!(client.answer(connect("/echo?replace")).await.status, 502);
    let room = async || while client.ask(connect("/echo?replace")).await.unwrap().0.status != 502 {};
    within("room", room()).await;
    let request = connect("/echo?withhold").body(()).unwrap();
    let mut ready = client.send.clone().ready().await.unwrap();
    let (_response, _send) = ready.send_request(request, false).unwrap();
    let open = async || loop {
        let (head, ..) = client.ask(connect("/echo")).await.unwrap();
        if head.status == 200 {
            break;
        }
    };
    within("room", open()).await;
    running.shutdown().await;
}
