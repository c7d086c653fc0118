//! The limits of a server: sockets, sockets of one address, handshakes at once, and the length of a
//! target.

use std::time::Duration;

use axum::routing::get;
use ws_core::{
    App, Config,
    config::{ForwardedHeader, ServerConfig, ServerKind},
};

use crate::support::{
    Answer, Echo, PATIENCE, Raw, Server, config, handshake, handshake_with, start_with, within,
};

fn app() -> App {
    App::without_registry().controller("/", Echo)
}

fn one_for_each() -> Config {
    let mut config = config();
    config.servers[0].limits.connections_per_ip = Some(1);
    config
}

fn assert_is_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    assert_eq!(answer.json()["msg"], "too many connections from this address");
}

/// A stream from another address of this host.
async fn from_elsewhere(server: &Server) -> Raw {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    Raw { stream: socket.connect(server.addr).await.unwrap() }
}

/// Waits until a handshake with these header lines is answered with 101.
async fn gets_in(server: &Server, lines: &str) -> Raw {
    within("a place", async {
        loop {
            let mut raw = Raw::connect(server.addr).await;
            if raw.request(&handshake_with("/", lines)).await.status == 101 {
                return raw;
            }
        }
    })
    .await
}

#[tokio::test]
async fn one_more_connection_than_the_limit_of_an_address_is_503() {
    let server = start_with(app(), one_for_each()).await;
    let first = server.raw("/").await;
    assert_is_refused(&server.answer(&handshake("/")).await);
    // Another address of this host has its own limit.
    let mut other = from_elsewhere(&server).await;
    assert_eq!(other.request(&handshake("/")).await.status, 101);
    drop(first);
    gets_in(&server, "").await;
}

#[tokio::test]
async fn an_address_that_sends_no_request_takes_no_room_of_others() {
    let mut config = one_for_each();
    config.servers[0].limits.pending_handshakes = 17;
    // Longer than any wait of the test, so that no stream is cut by the deadline.
    config.servers[0].limits.handshake_timeout = 10 * PATIENCE;
    let server = start_with(app(), config).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(Raw::connect(server.addr).await);
    }
    for _ in 0..3 {
        let cut = Raw::connect(server.addr).await.read_until_cut().await;
        assert!(cut.is_empty(), "one more is not answered: {cut:?}");
    }
    let mut other = from_elsewhere(&server).await;
    assert_eq!(other.request(&handshake("/")).await.status, 101, "there is room for one more");
    silent.clear();
    gets_in(&server, "").await;
}

#[tokio::test]
async fn behind_a_proxy_clients_are_counted_and_not_the_proxy() {
    let mut config = one_for_each();
    config.servers[0].proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    config.servers[0].proxy.header = ForwardedHeader::XForwardedFor;
    let server = start_with(app(), config).await;
    let of = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    let first = gets_in(&server, &of("203.0.113.7")).await;
    let _second = gets_in(&server, &of("203.0.113.8")).await;
    assert_is_refused(&server.answer(&handshake_with("/", &of("203.0.113.7"))).await);
    let _network = gets_in(&server, &of("2001:db8::1")).await;
    assert_is_refused(&server.answer(&handshake_with("/", &of("2001:db8::2"))).await);
    drop(first);
    gets_in(&server, &of("203.0.113.7")).await;
}

#[tokio::test]
async fn a_refused_handshake_frees_its_place() {
    let mut config = one_for_each();
    config.servers[0].proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    config.servers[0].proxy.header = ForwardedHeader::XForwardedFor;
    let server = start_with(app(), config).await;
    let line = "X-Forwarded-For: 203.0.113.7\r\n";
    let mut raw = Raw::connect(server.addr).await;
    assert_eq!(raw.request(&handshake_with("/nowhere", line)).await.status, 404);
    assert_eq!(raw.request(&handshake_with("/", line)).await.status, 101, "on the same stream");
}

#[tokio::test]
async fn a_server_of_kind_http_has_the_same_limits() {
    let router = || axum::Router::new().route("/", get(async || "page"));
    for per_address in [true, false] {
        let mut config = config();
        let mut http = ServerConfig::new("http", ServerKind::Http, 0);
        if per_address {
            http.limits.connections_per_ip = Some(1);
        } else {
            http.limits.connections = 1;
        }
        config.servers.push(http);
        let server = start_with(app().http("http", router()), config).await;
        let addr = server.running.local_addr("http").unwrap();
        let page = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut first = Raw::connect(addr).await;
        assert_eq!(first.request(page).await.status, 200);
        let mut second = Raw::connect(addr).await;
        let answer = second.request(page).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(first.request(page).await.status, 200);
    }
}

fn one_at_once() -> Config {
    let mut config = config();
    config.servers[0].limits.pending_handshakes = 1;
    config
}

#[tokio::test]
async fn handshakes_over_the_limit_wait_their_turn() {
    let server = start_with(app(), one_at_once()).await;
    let silent = Raw::connect(server.addr).await;
    let mut waiting = Raw::connect(server.addr).await;
    let hello = handshake("/");
    let mut answer = Box::pin(waiting.request(&hello));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut answer).await.is_err());
    drop(silent);
    assert_eq!(answer.await.status, 101);
}

#[tokio::test]
async fn open_connections_and_pages_are_not_pending_handshakes() {
    let router = axum::Router::new().route("/page", get(async || "page"));
    let mut config = one_at_once();
    let mut http = ServerConfig::new("http", ServerKind::Http, 0);
    http.limits.pending_handshakes = 1;
    config.servers.push(http);
    let server = start_with(app().fallback("ws", router.clone()).http("http", router), config).await;
    let page = "GET /page HTTP/1.1\r\nHost: x\r\n\r\n";
    let _open = server.raw("/").await;
    let mut reader = Raw::connect(server.addr).await;
    assert_eq!(reader.request(page).await.status, 200);
    let _second = server.raw("/").await;
    assert_eq!(reader.request(page).await.status, 200);
    let addr = server.running.local_addr("http").unwrap();
    let (mut one, mut other) = (Raw::connect(addr).await, Raw::connect(addr).await);
    assert_eq!(one.request(page).await.status, 200);
    assert_eq!(other.request(page).await.status, 200);
}

#[tokio::test]
async fn a_path_or_a_query_over_its_limit_is_414() {
    let mut config = config();
    (config.servers[0].limits.path, config.servers[0].limits.query) = (10, 5);
    let server = start_with(app(), config).await;
    let cases = [
        ("/123456789", 404, "no WebSocket route at /123456789"),
        ("/123456789a", 414, "the path is longer than 10 bytes"),
        ("/%31%32%33", 404, "no WebSocket route at /%31%32%33"),
        ("/%31%32%33%34", 414, "the path is longer than 10 bytes"),
        ("/nowhere?12345", 404, "no WebSocket route at /nowhere"),
        ("/nowhere?123456", 414, "the query is longer than 5 bytes"),
    ];
    for (target, status, msg) in cases {
        let answer = server.answer(&handshake(target)).await;
        assert_eq!((answer.status, answer.json()["msg"].as_str()), (status, Some(msg)), "{target}");
    }
    assert_eq!(server.answer(&handshake("/?12345")).await.status, 101);
}
