//! What a request over HTTP/2 gets that opens no WebSocket.

use http::{Method, Request, StatusCode};
use ws_core::{Handshake, Next, Recovery, Response, Result, Scene, error::HandshakeError, handshake::Body};

use super::{Client, Outer, connect, connect_to, echo};
use crate::support::{Answer, Logs, config};

fn assert_refused(name: &str, answer: &Answer, status: u16, msg: &str, headers: &[(&str, &str)]) {
    assert_eq!(
        (answer.status, &*answer.body),
        (status, &*format!(r#"{{"code":{status},"msg":"{msg}"}}"#)),
        "{name}"
    );
    for (header, value) in headers {
        assert_eq!(answer.header(header), Some(*value), "{name}: {header}");
    }
    // RFC 9113 section 8.2.2.
    for forbidden in ["connection", "upgrade", "keep-alive", "transfer-encoding"] {
        assert_eq!(answer.header(forbidden), None, "{name}");
    }
}

fn plain(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://localhost{path}"))
}

#[tokio::test]
async fn each_fault_has_its_status() {
    let not_connect = "over HTTP/2 a WebSocket handshake is a CONNECT with :protocol websocket";
    let other = "CONNECT is supported for :protocol websocket only";
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    let without_version = {
        let mut request = connect("/echo");
        request.headers_mut().unwrap().clear();
        request
    };
    let version = [("sec-websocket-version", "13")];
    let allow = [("allow", "CONNECT")];
    let cases: Vec<(_, _, _, _, &[_])> = vec![
        ("unknown path", connect("/nowhere"), 404, "no WebSocket route at /nowhere", &[]),
        ("a page", plain(Method::GET, "/echo"), 405, not_connect, &allow),
        ("a form", plain(Method::POST, "/echo"), 405, not_connect, &allow),
        ("a page elsewhere", plain(Method::GET, "/nowhere"), 404, "no WebSocket route at /nowhere", &[]),
        ("another protocol", connect_to("connect-udp", "/echo"), 501, other, &[]),
        ("another protocol, unknown path", connect_to("connect-udp", "/nowhere"), 501, other, &[]),
        ("no version", without_version, 400, "sec-websocket-version must be 13", &version),
        (
            "two hosts",
            connect("/echo").header("host", "other"),
            400,
            "a WebSocket handshake names one host",
            &[],
        ),
        (
            "another origin",
            connect("/echo").header("origin", "http://evil.example"),
            403,
            "pages of this origin may not connect",
            &[],
        ),
    ];
    for (name, request, status, msg, headers) in cases {
        assert_refused(name, &client.answer(request).await, status, msg, headers);
    }
    // The connection is as good as before.
    client.open("/echo").await.close().await;
}

#[tokio::test]
async fn a_connect_for_a_tunnel_to_a_host_is_not_implemented() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    let tunnel = Request::builder().method(Method::CONNECT).uri("localhost:80");
    let other = "CONNECT is supported for :protocol websocket only";
    assert_refused("tunnel", &client.answer(tunnel).await, 501, other, &[]);
}

#[tokio::test]
async fn a_connect_is_refused_by_middleware_as_a_get_would_be() {
    async fn with_token(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        handshake.bearer_token()?;
        next.run(handshake).await
    }
    let outer = Outer::start(echo().middleware("ws", 0, with_token)).await;
    let client = Client::connect(outer.addr).await;
    let answer = client.answer(connect("/echo")).await;
    assert_refused("no token", &answer, 401, "no bearer token", &[("www-authenticate", "Bearer")]);
    client.open_by(connect("/echo").header("authorization", "Bearer x")).await.close().await;
}

#[tokio::test]
async fn a_response_of_middleware_opens_no_tunnel() {
    let logs = Logs::start();
    async fn own(handshake: Handshake, _: Next<'_>) -> Result<Response> {
        let mut response = Response::new(Body::from("own"));
        *response.status_mut() = handshake.query_param("status").unwrap().parse::<StatusCode>().unwrap();
        Ok(response)
    }
    let outer = Outer::start(echo().middleware("ws", 0, own)).await;
    let client = Client::connect(outer.addr).await;
    for (sent, status, body) in
        [(403, 403, "own"), (302, 302, "own"), (200, 500, ""), (204, 500, ""), (101, 500, "")]
    {
        let answer = client.answer(connect(&format!("/echo?status={sent}"))).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{sent}");
    }
    assert!(logs.line("status=204").contains("only the core step may do so"));
    // What is not a handshake may be answered with success.
    let page = client.answer(plain(Method::GET, "/echo?status=200")).await;
    assert_eq!((page.status, &*page.body), (200, "own"));
    assert_eq!(outer.running.hub().count_local(), 0);
}

#[tokio::test]
async fn an_error_handler_answers_the_faults_of_http2() {
    async fn own(fault: &HandshakeError, _: &Scene) -> Recovery {
        match fault {
            HandshakeError::Protocol => Recovery::respond(StatusCode::IM_A_TEAPOT, "own"),
            _ => Recovery::pass(),
        }
    }
    let outer = Outer::start(echo().error_handler(None, 0, own)).await;
    let client = Client::connect(outer.addr).await;
    assert_eq!(client.answer(connect_to("connect-udp", "/echo")).await.status, 418);
}

#[tokio::test]
async fn a_full_server_refuses() {
    let mut config = config();
    config.servers[0].limits.connections = 1;
    let outer = Outer::start_with(echo(), config).await;
    let client = Client::connect(outer.addr).await;
    let _open = client.open("/echo").await;
    let answer = client.answer(connect("/echo")).await;
    assert_refused("full", &answer, 503, "the server is full", &[("retry-after", "5")]);
}
