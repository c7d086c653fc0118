//! The answers before the 101: each row of the table of statuses, and the checks of RFC 6455
//! section 4.2.1.

mod headers;
mod names;
mod syntax;
mod targets;

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};
use ws_core::{
    App, CloseReason, Connection, Controller, Result, Route,
    config::{ServerConfig, ServerKind},
    handshake::SubprotocolMismatch,
};

use crate::support::{
    Answer, Echo, Probe, Raw, Server, config, frame, handshake, handshake_with, start, start_with, within,
};

async fn echo() -> Server {
    start(App::without_registry().controller("/echo", Echo)).await
}

/// Returns a correct handshake with these lines in place of this header.
fn handshake_but(path: &str, header: &str, lines: &[&str]) -> String {
    let correct = handshake(path);
    let (first, rest) = correct.split_once("\r\n").unwrap();
    let rest: Vec<&str> =
        rest.split("\r\n").filter(|line| !line.starts_with(&format!("{header}: "))).collect();
    let lines: String = lines.iter().map(|line| format!("{header}: {line}\r\n")).collect();
    format!("{first}\r\n{lines}{}", rest.join("\r\n"))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Checks that the answer has this status, this message in its JSON, and these headers.
fn assert_refused(name: &str, answer: &Answer, status: u16, msg: &str, headers: &[(&str, &str)]) {
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert_eq!(answer.body, format!(r#"{{"code":{status},"msg":"{msg}"}}"#), "{name}");
    for (header, value) in [("content-type", "application/json")].iter().chain(headers) {
        assert_eq!(answer.header(header), Some(*value), "{name}: {header}");
    }
}

#[tokio::test]
async fn a_correct_handshake_is_answered_as_the_rfc_says() {
    let server = echo().await;
    let request = handshake_with("/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let answer = server.answer(&request).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("Upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    assert_eq!(answer.header("sec-websocket-protocol"), None);
    assert_eq!(answer.header("content-length"), None);
}

#[tokio::test]
async fn upgrade_and_connection_are_lists_in_any_case() {
    let server = echo().await;
    let cases = [
        ("case of the token", handshake_but("/echo", "Upgrade", &["WebSocket"])),
        ("one of several protocols", handshake_but("/echo", "Upgrade", &["h2c, websocket"])),
        ("one of several options", handshake_but("/echo", "Connection", &["keep-alive, UPGRADE"])),
        ("over two lines", handshake_but("/echo", "Connection", &["keep-alive", "Upgrade"])),
        (
            "case of the names",
            handshake("/echo")
                .replace("Sec-WebSocket-Key", "SEC-WEBSOCKET-KEY")
                .replace("Upgrade:", "upgrade:"),
        ),
        ("absolute target", handshake("http://localhost/echo")),
        ("a query", handshake("/echo?token=1")),
        ("an empty body", handshake_with("/echo", "Content-Length: 0\r\n")),
    ];
    for (name, request) in cases {
        assert_eq!(server.answer(&request).await.status, 101, "{name}");
    }
}

#[tokio::test]
async fn p8_a_bad_key_is_400_before_all_other_checks() {
    let server = echo().await;
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let cases: [(&str, &[&str]); 7] = [
        ("missing", &[]),
        ("empty", &[""]),
        ("without padding", &["dGhlIHNhbXBsZSBub25jZQ"]),
        ("15 bytes", &["dGhlIHNhbXBsZSBub25j"]),
        ("17 bytes", &["dGhlIHNhbXBsZSBub25jZSEh"]),
        ("not base64", &["dGhlIHNhbXBsZSBub25jZ*=="]),
        ("sent twice", &[key, key]),
    ];
    for (name, lines) in cases {
        for path in ["/echo", "/nowhere"] {
            let answer = server.answer(&handshake_but(path, "Sec-WebSocket-Key", lines)).await;
            assert_refused(name, &answer, 400, "sec-websocket-key is invalid!", &[]);
        }
    }
}

#[tokio::test]
async fn the_key_of_the_rfc_is_accepted() {
    // The key of RFC 6455 section 4.1. The last character has bits beyond the last byte.
    let request = handshake_but("/echo", "Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4PEC=="]);
    let answer = echo().await.answer(&request).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("OfS0wDaT5NoxF2gqm7Zj2YtetzM="));
}

#[tokio::test]
async fn p9_a_version_other_than_13_is_426_and_names_13() {
    let server = echo().await;
    let cases: [(&str, &[&str]); 5] = [
        ("missing", &[]),
        ("old", &["8"]),
        ("a list", &["13, 8"]),
        ("twice", &["13", "13"]),
        ("padded", &["013"]),
    ];
    for (name, lines) in cases {
        let answer = server.answer(&handshake_but("/echo", "Sec-WebSocket-Version", lines)).await;
        let headers = [("sec-websocket-version", "13"), ("upgrade", "websocket"), ("connection", "Upgrade")];
        assert_refused(name, &answer, 426, "sec-websocket-version must be 13", &headers);
    }
}

#[tokio::test]
async fn p9_a_get_without_an_upgrade_is_426_on_a_route() {
    let server = echo().await;
    let cases = [
        ("plain", get("/echo")),
        ("no Upgrade", handshake_but("/echo", "Upgrade", &[])),
        ("no Connection", handshake_but("/echo", "Connection", &[])),
        ("another protocol", handshake_but("/echo", "Upgrade", &["websockets"])),
        ("part of a token", handshake_but("/echo", "Connection", &["upgraded"])),
    ];
    for (name, request) in cases {
        let answer = server.answer(&request).await;
        let headers = [("upgrade", "websocket"), ("connection", "Upgrade")];
        let msg = "this is a WebSocket route: upgrade to websocket";
        assert_refused(name, &answer, 426, msg, &headers);
    }
}

#[tokio::test]
async fn another_method_is_405_on_a_route() {
    let server = echo().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        for request in [get("/echo"), handshake("/echo")] {
            let answer = server.answer(&request.replace("GET", method)).await;
            assert_refused(method, &answer, 405, "a WebSocket handshake is a GET", &[("allow", "GET")]);
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_and_named() {
    let server = echo().await;
    let cases = [
        ("handshake", handshake("/x"), "/x"),
        ("GET", get("/x"), "/x"),
        ("POST", get("/x").replace("GET", "POST"), "/x"),
        ("without its query", handshake("/x?token=secret"), "/x"),
        ("a trailing slash", handshake("/echo/"), "/echo/"),
        ("another case", handshake("/Echo"), "/Echo"),
        ("deeper", handshake("/echo/1"), "/echo/1"),
        ("as it was sent", handshake("/%22%FF"), "/%22%FF"),
        ("the server itself", get("*").replace("GET", "OPTIONS"), "*"),
    ];
    for (name, request, path) in cases {
        let answer = server.answer(&request).await;
        assert_refused(name, &answer, 404, &format!("no WebSocket route at {path}"), &[]);
    }
}

#[tokio::test]
async fn a_handshake_needs_http_1_1() {
    let server = echo().await;
    let request = handshake("/echo").replace("HTTP/1.1", "HTTP/1.0");
    let answer = server.answer(&request).await;
    assert_refused("HTTP/1.0", &answer, 400, "a WebSocket handshake needs HTTP/1.1", &[]);
}

#[tokio::test]
async fn a_handshake_with_a_body_is_400() {
    let server = echo().await;
    let cases = [
        ("a length", handshake_with("/echo", "Content-Length: 3\r\n") + "abc"),
        ("chunks", handshake_with("/echo", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n"),
    ];
    for (name, request) in cases {
        let answer = server.answer(&request).await;
        assert_refused(name, &answer, 400, "a WebSocket handshake has no body", &[]);
    }
}

#[tokio::test]
async fn a_head_over_the_limits_is_431() {
    let server = echo().await;
    let large = format!("X-Filler: {}\r\n", "x".repeat(16 << 10));
    let many: String = (0..60).map(|n| format!("X-Filler-{n}: x\r\n")).collect();
    for (name, lines) in [("16 KiB", large), ("65 headers", many)] {
        assert_eq!(server.answer(&handshake_with("/echo", &lines)).await.status, 431, "{name}");
    }
    let not_too_large = format!("X-Filler: {}\r\n", "x".repeat(15 << 10));
    let not_too_many: String = (0..59).map(|n| format!("X-Filler-{n}: x\r\n")).collect();
    for (name, lines) in [("15 KiB", not_too_large), ("64 headers", not_too_many)] {
        assert_eq!(server.answer(&handshake_with("/echo", &lines)).await.status, 101, "{name}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_are_400() {
    let server = echo().await;
    let cases = [
        "nonsense\r\n\r\n",
        "GET /echo\r\n\r\n",
        "GET /echo HTTP/9.9\r\n\r\n",
        "GET /echo HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        "GET /echo HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    ];
    for request in cases {
        assert_eq!(server.answer(request).await.status, 400, "{request:?}");
    }
}

#[tokio::test]
async fn a_slow_head_is_cut() {
    let mut config = config();
    config.servers[0].limits.handshake_timeout = Duration::from_millis(150);
    let server = start_with(App::without_registry().controller("/echo", Echo), config).await;

    let mut silent = Raw::connect(server.addr).await;
    assert!(silent.read_to_end().await.is_empty(), "no request, no answer");

    let mut half = Raw::connect(server.addr).await;
    half.write(b"GET /echo HTTP/1.1\r\nHost: loc").await;
    assert!(half.read_until_cut().await.is_empty(), "half a head");

    // A byte from time to time does not move the deadline.
    let mut trickle = Raw::connect(server.addr).await;
    trickle.write(b"GET /echo HTTP/1.1\r\nX-Filler: ").await;
    let ended = within("the cut", async {
        loop {
            match tokio::time::timeout(Duration::from_millis(20), trickle.stream.read_u8()).await {
                Ok(read) => return read,
                Err(_) => {
                    let _ = trickle.stream.write_all(b"x").await;
                }
            }
        }
    })
    .await;
    assert!(ended.is_err(), "cut without an answer");
}

#[tokio::test]
async fn several_handshakes_on_one_connection_until_one_succeeds() {
    let server = echo().await;
    let mut raw = Raw::connect(server.addr).await;
    let attempts = [
        (handshake("/nowhere"), 404),
        (handshake_but("/echo", "Sec-WebSocket-Key", &["bad"]), 400),
        (get("/echo"), 426),
        (get("/echo").replace("GET", "POST"), 405),
        (handshake_but("/echo", "Sec-WebSocket-Version", &["8"]), 426),
        (handshake("/echo"), 101),
    ];
    for (request, status) in attempts {
        assert_eq!(raw.request(&request).await.status, status, "{request}");
    }
    raw.write(&frame(0x81, b"at last")).await;
    assert_eq!(raw.read_frame().await.payload, b"at last");
}

/// A socket that is closed with unread input resets.
#[tokio::test]
async fn a_refusal_arrives_although_input_was_left_unread() {
    let server = echo().await;
    let more = vec![b'x'; 4 << 20];
    for (request, status) in [
        (handshake_but("/nowhere", "Connection", &["Upgrade, close"]), "404"),
        (get("/echo").replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 4194304\r\n\r\n"), "4"),
        ("not HTTP\r\n\r\n".to_owned(), "400"),
    ] {
        let mut raw = Raw::connect(server.addr).await;
        raw.write(request.as_bytes()).await;
        raw.write(&more).await;
        let answer = String::from_utf8(raw.read_to_end().await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn a_full_server_is_503_until_a_place_is_free() {
    let mut config = config();
    config.servers[0].limits.connections = 1;
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;
    let mut first = server.raw("/").await;
    reports.open().await;

    for path in ["/", "/nowhere"] {
        let mut refused = Raw::connect(server.addr).await;
        let answer = refused.request(&handshake(path)).await;
        let headers = [("retry-after", "5"), ("connection", "close")];
        assert_refused(path, &answer, 503, "the server is full", &headers);
        assert!(refused.read_to_end().await.is_empty(), "the stream is closed as well");
    }

    first.frame(0x88, &1000_u16.to_be_bytes()).await;
    assert_eq!(first.read_frame().await.close().0, 1000);
    drop(first);
    reports.close().await;
    within("a free place", async {
        while server.answer(&handshake("/")).await.status != 101 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    reports.open().await;
}

/// Sends the handshake to the client in on_open, and reports it to the test in on_close.
struct Mirror(mpsc::UnboundedSender<serde_json::Value>);

fn mirrored(conn: &Connection) -> serde_json::Value {
    let handshake = conn.handshake();
    json!({
        "method": handshake.method().as_str(),
        "path": handshake.path(),
        "query": handshake.query(),
        "name": handshake.query_param("name"),
        "header": handshake.header("x-header"),
        "missing": handshake.header("x-missing"),
        "both": handshake.headers().get_all("x-both").iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>(),
        "cookie": handshake.cookie("session"),
        "server": [conn.server(), handshake.server()],
        "route": [conn.route(), handshake.route().unwrap_or_default()],
        "params": handshake.path_params().collect::<Vec<_>>(),
        "subprotocol": handshake.subprotocol(),
        "peer": [conn.peer_addr(), handshake.peer_addr()],
    })
}

impl Controller for Mirror {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push_json(&mirrored(conn))?)
    }
    async fn on_close(&self, conn: &Connection, _: CloseReason) -> Result {
        Ok(self.0.send(mirrored(conn))?)
    }
}

/// A server with one route of a [`Mirror`].
async fn mirror(route: impl FnOnce(Mirror) -> Route) -> (Server, mpsc::UnboundedReceiver<serde_json::Value>) {
    let (sender, at_close) = mpsc::unbounded_channel();
    (start(App::without_registry().route(route(Mirror(sender)))).await, at_close)
}

#[tokio::test]
async fn the_handshake_is_readable_in_every_callback() {
    let (server, mut at_close) =
        mirror(|mirror| Route::new("/rooms/{room}/files/{*rest}", mirror).subprotocols(&["chat.v1"])).await;
    let mut raw = Raw::connect(server.addr).await;
    let lines = "X-Header: some value\r\nX-Both: one\r\nX-Both: two\r\nSec-WebSocket-Protocol: chat.v1\r\n\
                 Cookie: a=b; session=s%20id; c=d\r\n";
    let request = handshake_with("/rooms/a%20room/files/x/y?name=J%C3%A9r+y&b=1", lines);
    assert_eq!(raw.request(&request).await.status, 101);
    let local = raw.stream.local_addr().unwrap();
    let expected = json!({
        "method": "GET",
        "path": "/rooms/a%20room/files/x/y",
        "query": "name=J%C3%A9r+y&b=1",
        "name": "Jér y",
        "header": "some value",
        "missing": null,
        "both": ["one", "two"],
        "cookie": "s%20id",
        "server": ["ws", "ws"],
        "route": ["/rooms/{room}/files/{*rest}", "/rooms/{room}/files/{*rest}"],
        "params": [["room", "a room"], ["rest", "x/y"]],
        "subprotocol": "chat.v1",
        "peer": [local, local],
    });
    let at_open: serde_json::Value = serde_json::from_slice(&raw.read_frame().await.payload).unwrap();
    assert_eq!(at_open, expected);
    drop(raw);
    assert_eq!(within("on_close", at_close.recv()).await, Some(expected));
}

#[tokio::test]
async fn p4_path_parameters_are_decoded_and_passed() {
    let (server, _at_close) = mirror(|mirror| Route::new("/rooms/{room}/{*rest}", mirror)).await;
    let cases = [
        ("/rooms/7/x", "7", "x"),
        ("/rooms/a%20b/x", "a b", "x"),
        ("/rooms/a+b/x", "a+b", "x"),
        ("/rooms/a%2Fb/x", "a/b", "x"),
        ("/rooms/%E6%96%AD/x", "断", "x"),
        ("/rooms/%7Broom%7D/x", "{room}", "x"),
        ("/rooms/100%/x", "100%", "x"),
        ("/rooms/1/x/y%20z/", "1", "x/y z/"),
    ];
    for (path, room, rest) in cases {
        let mut raw = server.raw(path).await;
        let seen: serde_json::Value = serde_json::from_slice(&raw.read_frame().await.payload).unwrap();
        assert_eq!(seen["params"], json!([["room", room], ["rest", rest]]), "{path}");
    }
    for path in ["/rooms/%FF/x", "/rooms/1/%E6%96"] {
        let answer = server.answer(&handshake(path)).await;
        assert_refused(path, &answer, 400, "a path parameter is not valid UTF-8", &[]);
    }
    for path in ["/rooms/1", "/rooms/1/", "/rooms//x"] {
        assert_eq!(server.answer(&handshake(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_more_literal_route_wins() {
    struct Name(&'static str);
    impl Controller for Name {
        async fn on_open(&self, conn: &Connection) -> Result {
            Ok(conn.push(self.0)?)
        }
    }
    let app = App::without_registry()
        .controller("/{*rest}", Name("catch-all"))
        .controller("/rooms/{room}", Name("parameter"))
        .controller("/rooms/lobby", Name("literal"));
    let server = start(app).await;
    for (path, name) in
        [("/rooms/lobby", "literal"), ("/rooms/lobby2", "parameter"), ("/rooms/a/b", "catch-all")]
    {
        assert_eq!(server.raw(path).await.read_frame().await.payload, name.as_bytes(), "{path}");
    }
}

#[tokio::test]
async fn p10_the_subprotocol_is_one_that_was_offered_or_none() {
    let (speaks_two, _two) = mirror(|it| Route::new("/", it).subprotocols(&["chat.v2", "chat.v1"])).await;
    let (speaks_none, _none) = mirror(|it| Route::new("/", it)).await;
    let cases: [(&str, &Server, &[&str], Option<&str>); 7] = [
        ("none offered", &speaks_two, &[], None),
        ("the only one", &speaks_two, &["chat.v1"], Some("chat.v1")),
        ("the one that the server prefers", &speaks_two, &["chat.v1, chat.v2"], Some("chat.v2")),
        ("over two lines", &speaks_two, &["soap, chat.v1", "chat.v2"], Some("chat.v2")),
        ("only others", &speaks_two, &["soap, wamp"], None),
        ("another case is another one", &speaks_two, &["CHAT.V1"], None),
        ("the route supports none", &speaks_none, &["chat.v1"], None),
    ];
    for (name, server, offered, chosen) in cases {
        let mut raw = Raw::connect(server.addr).await;
        let answer = raw.request(&handshake_but("/", "Sec-WebSocket-Protocol", offered)).await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, chosen), "{name}");
        let seen: serde_json::Value = serde_json::from_slice(&raw.read_frame().await.payload).unwrap();
        assert_eq!(seen["subprotocol"].as_str(), chosen, "{name}: in the callback");
    }
}

#[tokio::test]
async fn p10_a_route_may_refuse_clients_that_offer_only_other_subprotocols() {
    let (server, _at_close) = mirror(|it| {
        Route::new("/", it).subprotocols(&["chat.v1"]).subprotocol_mismatch(SubprotocolMismatch::Refuse)
    })
    .await;
    let answer = server.answer(&handshake_with("/", "Sec-WebSocket-Protocol: soap\r\n")).await;
    assert_refused("soap", &answer, 400, "none of the offered subprotocols is supported", &[]);
    for lines in ["", "Sec-WebSocket-Protocol: soap, chat.v1\r\n"] {
        assert_eq!(server.answer(&handshake_with("/", lines)).await.status, 101, "{lines:?}");
    }
}

#[tokio::test]
async fn p1_named_servers_have_their_own_routes_and_settings() {
    let mut config = config();
    let mut admin = ServerConfig::new("admin", ServerKind::WebSocket, 0);
    admin.limits.message = 4;
    config.servers.push(admin);
    let app = App::without_registry()
        .controller("/both", Echo)
        .controller("/public", Echo)
        .route(Route::new("/both", Echo).server("admin"))
        .route(Route::new("/secret", Echo).server("admin"));
    let server = start_with(app, config).await;
    let admin = server.running.local_addr("admin").unwrap();
    assert_eq!(server.running.local_addr("elsewhere"), None);

    let cases = [("/both", 101, 101), ("/public", 101, 404), ("/secret", 404, 101)];
    for (path, on_ws, on_admin) in cases {
        assert_eq!(server.answer(&handshake(path)).await.status, on_ws, "ws {path}");
        let answer = Raw::connect(admin).await.request(&handshake(path)).await;
        assert_eq!(answer.status, on_admin, "admin {path}");
    }
    for (addr, first_byte) in [(server.addr, 0x81), (admin, 0x88)] {
        let mut raw = Raw::connect(addr).await;
        assert_eq!(raw.request(&handshake("/both")).await.status, 101);
        raw.frame(0x81, b"12345").await;
        assert_eq!(raw.read_frame().await.first, first_byte, "five bytes are too many on admin only");
    }
}
