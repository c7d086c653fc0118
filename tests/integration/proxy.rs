//! Behind a proxy: which proxies may name the true address of a peer. Every peer here is 127.0.0.1.

use std::{net::SocketAddr, time::Duration};

use axum::routing::get;
use ws_core::{
    App, Config, Connection, Controller, Result,
    config::{ForwardedHeader, Proxy, ProxyProtocol, ServerConfig, ServerKind},
};

use crate::support::{Logs, Raw, config, handshake, handshake_with, start_with};

/// Sends the client its address and that of its proxy.
struct WhoAmI;

impl Controller for WhoAmI {
    async fn on_open(&self, conn: &Connection) -> Result {
        let ip = |addr: Option<SocketAddr>| addr.map(|addr| addr.ip().to_string()).unwrap_or_default();
        let handshake = conn.handshake();
        assert_eq!(conn.peer_addr(), handshake.peer_addr());
        Ok(conn.push(format!("{} by {}", ip(handshake.peer_addr()), ip(handshake.transport_addr())))?)
    }
}

fn app() -> App {
    App::without_registry().controller("/", WhoAmI)
}

fn proxy(trusted: &str, protocol: ProxyProtocol, header: ForwardedHeader) -> Proxy {
    let mut proxy = Proxy::default();
    proxy.trusted = vec![trusted.parse().unwrap()];
    proxy.protocol = protocol;
    proxy.header = header;
    proxy
}

fn with(proxy: Proxy) -> Config {
    let mut config = config();
    config.servers[0].proxy = proxy;
    config
}

const LOOPBACK: &str = "127.0.0.0/8";
const ELSEWHERE: &str = "10.0.0.0/8";

/// Returns the first message after these bytes and a handshake with these headers.
async fn told(addr: SocketAddr, before: &[u8], headers: &str) -> String {
    let mut raw = Raw::connect(addr).await;
    raw.write(before).await;
    let answer = raw.request(&handshake_with("/", headers)).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    String::from_utf8(raw.read_frame().await.payload).unwrap()
}

#[tokio::test]
async fn a_header_of_a_trusted_proxy_names_the_peer() {
    let cases = [
        (
            ForwardedHeader::XForwardedFor,
            "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n",
            "203.0.113.7 by 127.0.0.1",
        ),
        (
            ForwardedHeader::XForwardedFor,
            "X-Forwarded-For: 203.0.113.7, 127.0.0.9\r\n",
            "203.0.113.7 by 127.0.0.1",
        ),
        (ForwardedHeader::XForwardedFor, "Forwarded: for=203.0.113.7\r\n", "127.0.0.1 by 127.0.0.1"),
        (ForwardedHeader::XForwardedFor, "", "127.0.0.1 by 127.0.0.1"),
        (ForwardedHeader::Forwarded, "Forwarded: for=\"[2001:db8::7]\"\r\n", "2001:db8::7 by 127.0.0.1"),
        (ForwardedHeader::Forwarded, "X-Forwarded-For: 203.0.113.7\r\n", "127.0.0.1 by 127.0.0.1"),
        (ForwardedHeader::Off, "X-Forwarded-For: 203.0.113.7\r\n", "127.0.0.1 by 127.0.0.1"),
    ];
    for (header, lines, expected) in cases {
        // Without a header, the configuration needs the PROXY protocol. It is not used here.
        let config = if header == ForwardedHeader::Off {
            config()
        } else {
            with(proxy(LOOPBACK, ProxyProtocol::Off, header))
        };
        let server = start_with(app(), config).await;
        assert_eq!(told(server.addr, b"", lines).await, expected, "{header:?} {lines}");
    }
}

#[tokio::test]
async fn the_header_of_an_untrusted_peer_is_ignored() {
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let server = start_with(app(), with(proxy(ELSEWHERE, ProxyProtocol::Off, header))).await;
        for lines in
            ["X-Forwarded-For: 203.0.113.7\r\n", "Forwarded: for=203.0.113.7\r\n", "Forwarded: \"\r\n"]
        {
            assert_eq!(told(server.addr, b"", lines).await, "127.0.0.1 by 127.0.0.1", "{header:?} {lines}");
        }
    }
}

#[tokio::test]
async fn a_trusted_proxy_whose_header_cannot_be_read_gets_400() {
    let server =
        start_with(app(), with(proxy(LOOPBACK, ProxyProtocol::Off, ForwardedHeader::Forwarded))).await;
    let answer = server.answer(&handshake_with("/", "Forwarded: for=nobody\r\n")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["msg"], "the header that names the client is malformed");
}

#[tokio::test]
async fn a_header_that_cannot_be_read_is_one_warning_with_its_value() {
    let logs = Logs::start();
    let header = ForwardedHeader::XForwardedFor;
    let server = start_with(app(), with(proxy(LOOPBACK, ProxyProtocol::Off, header))).await;
    for line in ["X-Forwarded-For: nobody\r\n", "X-Forwarded-For: somebody\r\n"] {
        assert_eq!(server.answer(&handshake_with("/", line)).await.status, 400);
    }
    let line = logs.line("does not name a client");
    for part in ["WARN", "server=\"ws\"", "proxy=127.0.0.1", "x-forwarded-for", "nobody", "[servers.proxy]"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("somebody"), "{line}");
}

#[tokio::test]
async fn a_zone_and_a_unix_socket_are_warned_of_once() {
    let logs = Logs::start();
    let header = ForwardedHeader::XForwardedFor;
    let server = start_with(app(), with(proxy(LOOPBACK, ProxyProtocol::Off, header))).await;
    for (value, expected) in [
        ("fe80::7%eth0", "fe80::7 by 127.0.0.1"),
        ("[fe80::7%eth0]:80", "fe80::7 by 127.0.0.1"),
        ("6.6.6.6, unix:", "127.0.0.1 by 127.0.0.1"),
    ] {
        assert_eq!(told(server.addr, b"", &format!("X-Forwarded-For: {value}\r\n")).await, expected);
    }
    let line = logs.line("an address with a zone");
    assert!(line.contains("WARN") && line.contains("fe80::7%eth0"), "{line}");
    server.running.shutdown().await;

    let server = start_with(app(), with(proxy(LOOPBACK, ProxyProtocol::V1OrV2, ForwardedHeader::Off))).await;
    let header = b"PROXY TCP6 fe80::7%eth0 fe80::1%eth0 4711 443\r\n";
    for _ in 0..2 {
        assert_eq!(told(server.addr, header, "").await, "fe80::7 by 127.0.0.1");
    }
    let line = logs.line("in its PROXY header");
    assert!(line.contains("WARN") && line.contains("fe80::7%eth0"), "{line}");
}

#[tokio::test]
async fn the_forwarded_host_of_a_trusted_proxy_is_the_host_of_the_page() {
    let page = "Origin: https://app.example.com\r\n";
    for (header, line) in [
        (ForwardedHeader::XForwardedFor, "X-Forwarded-Host: app.example.com\r\n"),
        (ForwardedHeader::Forwarded, "Forwarded: for=203.0.113.7;host=app.example.com\r\n"),
    ] {
        for (trusted, expected) in [(LOOPBACK, 101), (ELSEWHERE, 403)] {
            let server = start_with(app(), with(proxy(trusted, ProxyProtocol::Off, header))).await;
            let status = async |lines: &str| server.answer(&handshake_with("/", lines)).await.status;
            assert_eq!(status(&format!("{page}{line}")).await, expected, "{trusted} {line}");
            assert_eq!(status(page).await, 403, "{trusted}");
        }
    }
}

#[tokio::test]
async fn logs_have_the_true_address() {
    let logs = Logs::start();
    let header = ForwardedHeader::XForwardedFor;
    let server = start_with(app(), with(proxy(LOOPBACK, ProxyProtocol::Off, header))).await;
    let mut raw = Raw::connect(server.addr).await;
    let answer = raw.request(&handshake_with("/", "X-Forwarded-For: 203.0.113.7\r\n")).await;
    assert_eq!(answer.status, 101);
    raw.read_frame().await;
    raw.frame(0x88, &1000_u16.to_be_bytes()).await;
    raw.read_to_end().await;
    server.running.shutdown().await;
    let line = logs.line("connection ended");
    assert!(line.contains("peer=203.0.113.7:0"), "{line}");
}

/// Version 2, TCP over IPv4, from 203.0.113.7:4711.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x12\x67\x01\xbb";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n";

#[tokio::test]
async fn a_proxy_header_of_a_trusted_proxy_names_the_peer() {
    let server = start_with(app(), with(proxy(LOOPBACK, ProxyProtocol::V1OrV2, ForwardedHeader::Off))).await;
    for (header, expected) in [
        (V1, "203.0.113.7 by 127.0.0.1"),
        (V2, "203.0.113.7 by 127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1 by 127.0.0.1"),
    ] {
        let lines = "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n";
        assert_eq!(told(server.addr, header, lines).await, expected, "{header:?}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_without_a_proxy_header_is_closed_with_one_warning() {
    let logs = Logs::start();
    let mut config = with(proxy(LOOPBACK, ProxyProtocol::V1OrV2, ForwardedHeader::Off));
    config.servers[0].limits.handshake_timeout = Duration::from_millis(200);
    let server = start_with(app(), config).await;
    // Without a header, too slow, and without any byte.
    for bytes in [handshake("/").as_bytes(), handshake("/").as_bytes(), b"PROXY TCP4 203.0", b""] {
        let mut raw = Raw::connect(server.addr).await;
        raw.write(bytes).await;
        assert_eq!(raw.read_until_cut().await, b"", "{bytes:?}");
    }
    let line = logs.line("make the proxy send a PROXY header");
    assert!(line.contains("WARN") && line.contains("[servers.proxy]"), "{line}");
}

#[tokio::test]
async fn a_proxy_header_of_an_untrusted_peer_is_invalid_http() {
    let server = start_with(app(), with(proxy(ELSEWHERE, ProxyProtocol::V1OrV2, ForwardedHeader::Off))).await;
    assert_eq!(told(server.addr, b"", "").await, "127.0.0.1 by 127.0.0.1");
    for header in [V1, V2] {
        let mut raw = Raw::connect(server.addr).await;
        raw.write(header).await;
        assert_eq!(raw.request(&handshake("/")).await.status, 400, "{header:?}");
    }
}

#[tokio::test]
async fn a_proxy_header_may_name_a_proxy_that_sends_the_other_header() {
    let both = proxy(LOOPBACK, ProxyProtocol::V1OrV2, ForwardedHeader::XForwardedFor);
    let server = start_with(app(), with(both)).await;
    let lines = "X-Forwarded-For: 203.0.113.9\r\n";
    let inner = b"PROXY TCP4 127.0.0.5 127.0.0.1 4711 443\r\n";
    assert_eq!(told(server.addr, inner, lines).await, "203.0.113.9 by 127.0.0.1");
    assert_eq!(told(server.addr, V1, lines).await, "203.0.113.7 by 127.0.0.1", "a peer that is not trusted");
}

#[tokio::test]
async fn http_services_get_the_true_address() {
    async fn who(axum::Extension(addr): axum::Extension<SocketAddr>) -> String {
        addr.ip().to_string()
    }
    let router = axum::Router::new().route("/who", get(who));
    let mut config = with(proxy(LOOPBACK, ProxyProtocol::Off, ForwardedHeader::XForwardedFor));
    let mut http = ServerConfig::new("http", ServerKind::Http, 0);
    http.proxy = config.servers[0].proxy.clone();
    config.servers.push(http);
    let server = start_with(app().fallback("ws", router.clone()).http("http", router), config).await;
    for addr in [server.addr, server.running.local_addr("http").unwrap()] {
        let mut raw = Raw::connect(addr).await;
        // One stream of the proxy has requests of many clients.
        for client in ["203.0.113.7", "203.0.113.8"] {
            let request = format!("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n");
            let answer = raw.request(&request).await;
            assert_eq!((answer.status, &*answer.body), (200, client));
        }
        let answer = raw.request("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: x\r\n\r\n").await;
        assert_eq!(answer.status, 400);
    }
}
