//! What an accepted handshake looks like, outside and inside.

use http::Method;
use http_body_util::Empty;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use ws_core::{
    App, Bytes, Connection, Controller, Handshake, Next, Response, Result, Route,
    config::CompressionMode,
    handshake::{DefaultUpgrade, Upgrade},
};

use super::{Client, Echo, Outer, connect, echo, header};
use crate::support::config;

#[tokio::test]
async fn it_is_answered_with_200_and_without_the_headers_of_an_upgrade() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    let mut stream = client.open("/echo").await;
    for absent in [
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "connection",
        "upgrade",
        "content-length",
    ] {
        assert_eq!(header(&stream.head, absent), None);
    }
    stream.text("hello");
    assert_eq!(stream.read_text().await, "hello");
    stream.text("version");
    assert_eq!(stream.read_text().await, "HTTP/2.0");
    stream.close().await;
}

#[tokio::test]
async fn a_key_is_neither_needed_nor_answered() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "no key"] {
        let stream = client.open_by(connect("/echo").header("sec-websocket-key", key)).await;
        assert_eq!(header(&stream.head, "sec-websocket-accept"), None);
        stream.close().await;
    }
}

/// Sends what its handshake says.
struct Mirror;

impl Controller for Mirror {
    async fn on_open(&self, conn: &Connection) -> Result {
        let handshake = conn.handshake();
        let cookies: Vec<_> = handshake.cookies().collect();
        Ok(conn.push(format!(
            "{:?} {} {} {:?} {:?} {:?} {cookies:?} {:?}",
            handshake.version(),
            handshake.method(),
            handshake.uri(),
            handshake.header("host"),
            handshake.query_param("a"),
            handshake.path_param("room"),
            handshake.headers().get_all("host").iter().count(),
        ))?)
    }
}

/// Says in a header what middleware sees.
async fn seen(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let (version, is_upgrade) = (handshake.version(), handshake.is_upgrade());
    let asked = format!("{version:?} {} {} {is_upgrade}", handshake.method(), handshake.uri());
    let mut response = next.run(handshake).await?;
    let seen = format!("{asked} {}", response.status().as_u16());
    response.headers_mut().insert("x-seen", seen.parse().unwrap());
    Ok(response)
}

#[tokio::test]
async fn inside_it_is_a_get_with_a_host_that_is_answered_with_101() {
    let app = App::without_registry().middleware("ws", 0, seen).controller("/rooms/{room}", Mirror);
    let outer = Outer::start(app).await;
    let client = Client::connect(outer.addr).await;
    let request = connect("/rooms/7?a=b%20c").header("cookie", "x=1").header("cookie", "y=2");
    let mut stream = client.open_by(request).await;
    assert_eq!(header(&stream.head, "x-seen"), Some("HTTP/2.0 GET /rooms/7?a=b%20c true 101"));
    assert_eq!(
        stream.read_text().await,
        r#"HTTP/2.0 GET /rooms/7?a=b%20c Some("localhost") Some("b c") Some("7") [("x", "1"), ("y", "2")] 1"#
    );
    // The same `Host` may be sent again.
    let mut stream = client.open_by(connect("/rooms/7").header("host", "LocalHost")).await;
    assert!(stream.read_text().await.ends_with(r#"Some("LocalHost") None Some("7") [] 1"#));
}

#[tokio::test]
async fn a_subprotocol_is_chosen_as_over_http_1() {
    let route = Route::new("/echo", Echo).subprotocols(&["chat", "chat2"]);
    let outer = Outer::start(App::without_registry().route(route)).await;
    let client = Client::connect(outer.addr).await;
    let stream = client.open_by(connect("/echo").header("sec-websocket-protocol", "x, chat2")).await;
    assert_eq!(header(&stream.head, "sec-websocket-protocol"), Some("chat2"));
}

#[tokio::test]
async fn compression_is_negotiated_and_used_as_over_http_1() {
    let mut config = config();
    config.servers[0].compression.mode = CompressionMode::PerMessage;
    let outer = Outer::start_with(echo(), config).await;
    let client = Client::connect(outer.addr).await;
    let offer = connect("/echo").header("sec-websocket-extensions", "permessage-deflate");
    let mut stream = client.open_by(offer).await;
    let accepted = header(&stream.head, "sec-websocket-extensions");
    assert_eq!(accepted, Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"));
    // The example of RFC 7692 section 7.2.3.1.
    stream.frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    assert_eq!(stream.read_text().await, "Hello");
    let long = "x".repeat(100_000);
    stream.text(&long);
    let frame = stream.read_frame().await;
    assert_eq!(frame.first, 0xc1);
    assert!(frame.payload.len() < 1000);
}

#[tokio::test]
async fn a_page_of_the_same_host_may_connect() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    client.open_by(connect("/echo").header("origin", "http://localhost")).await.close().await;
}

#[tokio::test]
async fn a_custom_core_step_and_a_middleware_may_add_headers() {
    struct Branded;
    impl Upgrade for Branded {
        async fn found(&self, handshake: Handshake) -> Result<Response> {
            let mut response = DefaultUpgrade.found(handshake).await?;
            response.headers_mut().insert("server", http::HeaderValue::from_static("chat/2"));
            Ok(response)
        }
    }
    let app = echo().upgrade("ws", Branded).middleware("ws", 0, seen);
    let outer = Outer::start(app).await;
    let client = Client::connect(outer.addr).await;
    let stream = client.open("/echo").await;
    assert_eq!(header(&stream.head, "server"), Some("chat/2"));
    assert_eq!(header(&stream.head, "x-seen"), Some("HTTP/2.0 GET /echo true 101"));
}

#[tokio::test]
async fn it_is_counted_as_any_other() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    let mut stream = client.open("/echo").await;
    stream.text("hello");
    stream.read_text().await;
    stream.close().await;
    assert_eq!(client.answer(connect("/nowhere")).await.status, 404);
    let stats = serde_json::to_value(outer.running.stats()).unwrap();
    let route = &stats["servers"][0]["routes"][0];
    assert_eq!(route["handshakes"], serde_json::json!([{"status": 101, "count": 1}]), "{stats}");
    assert_eq!(stats["servers"][0]["unmatched"], serde_json::json!([{"status": 404, "count": 1}]), "{stats}");
}

#[tokio::test]
async fn the_service_by_itself_sends_no_header_of_one_hop() {
    let (service, running) = echo().config(config()).into_service("ws").await.unwrap();
    let service = TowerToHyperService::new(service);
    let ask = async |method: Method, protocol: Option<&'static str>| {
        let mut request = connect("/echo").body(Empty::<Bytes>::new()).unwrap();
        *request.method_mut() = method;
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(hyper::ext::Protocol::from_static(protocol));
        }
        let response = service.call(request).await.unwrap();
        for name in ["connection", "upgrade", "sec-websocket-accept"] {
            assert_eq!(response.headers().get(name), None, "{name} in {response:?}");
        }
        response.status().as_u16()
    };
    assert_eq!(ask(Method::CONNECT, Some("websocket")).await, 200);
    assert_eq!(ask(Method::CONNECT, Some("WebSocket")).await, 200);
    assert_eq!(ask(Method::CONNECT, None).await, 501);
    assert_eq!(ask(Method::GET, None).await, 405);
    running.shutdown().await;
    assert_eq!(ask(Method::CONNECT, Some("websocket")).await, 503);
}
