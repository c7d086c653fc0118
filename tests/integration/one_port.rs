//! The interfaces to other services: HTTP on the same port, a mounted service in another server,
//! and start hooks.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, routing::get};
use tokio::sync::Notify;
use ws_core::{App, Config, Connection, Controller, Result, app::Problem};

use crate::support::{Echo, Raw, config, expect_close, handshake, next_text, send, start, within};

fn echo() -> App {
    App::without_registry().controller("/echo", Echo)
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "page"))
        .route("/echo", get(async || "plain").post(async |body: String| format!("posted {body}")))
        .route("/upgrades-by-itself", get(async || axum::http::StatusCode::SWITCHING_PROTOCOLS))
        .route(
            "/panics",
            get(async || {
                if true {
                    panic!("on purpose")
                }
            }),
        )
}

#[tokio::test]
async fn p2_one_port_serves_websocket_and_http() {
    let server = start(echo().fallback("ws", router())).await;
    let mut raw = Raw::connect(server.addr).await;
    // One keep-alive connection requests pages, then becomes a WebSocket.
    let page = raw.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((page.status, &*page.body), (200, "page"));
    let plain = raw.request("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((plain.status, &*plain.body), (200, "plain"), "not 426: the other service has it");
    let posted = raw.request("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!((posted.status, &*posted.body), (200, "posted hi"));
    let missing = raw.request("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((missing.status, &*missing.body), (404, ""), "the router's own 404");
    assert_eq!(raw.request(&handshake("/nowhere")).await.json()["msg"], "no WebSocket route at /nowhere");
    assert_eq!(raw.request(&handshake("/echo")).await.status, 101);
    raw.frame(0x81, b"hi").await;
    assert_eq!(raw.read_frame().await.payload, b"hi");
}

#[tokio::test]
async fn a_fallback_that_upgrades_by_itself_or_panics_is_500() {
    let server = start(echo().fallback("ws", router())).await;
    for path in ["/upgrades-by-itself", "/panics"] {
        let answer = server.answer(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(answer.status, 500, "{path}");
    }
    let mut client = server.connect("/echo").await;
    send(&mut client, "still here").await;
    assert_eq!(next_text(&mut client).await, "still here");
}

#[tokio::test]
async fn into_service_runs_inside_an_axum_program() {
    let (service, running) = echo().config(config()).into_service("ws").await.unwrap();
    assert_eq!(running.local_addr("ws"), None, "it has no port of its own");
    let app = Router::new().route("/hello", get(async || "hello")).nest_service("/ws", service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let hello = Raw::connect(addr).await.request("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((hello.status, &*hello.body), (200, "hello"));
    assert_eq!(Raw::connect(addr).await.request(&handshake("/ws/nowhere")).await.status, 404);
    let plain = Raw::connect(addr).await.request("GET /ws/echo HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));

    // The bytes directly after the handshake are kept.
    let mut raw = Raw::connect(addr).await;
    raw.write(&[handshake("/ws/echo").as_bytes(), &crate::support::frame(0x81, b"early")].concat()).await;
    assert_eq!(raw.request("").await.status, 101);
    assert_eq!(raw.read_frame().await.payload, b"early");

    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{addr}/ws/echo")).await.unwrap();
    send(&mut client, "hi").await;
    assert_eq!(next_text(&mut client).await, "hi");
    assert_eq!(running.hub().count_local(), 2);
    let (report, closed, raw_closed) = tokio::join!(running.shutdown(), expect_close(&mut client), async {
        let close = raw.read_frame().await.close();
        raw.frame(0x88, &close.0.to_be_bytes()).await;
        close
    });
    assert_eq!((report.closed, report.lost, report.cut), (2, 0, 0));
    assert_eq!((closed.0, raw_closed.0), (1001, 1001));
    // The outer server still runs, but the service is closed.
    assert_eq!(Raw::connect(addr).await.request(&handshake("/ws/echo")).await.status, 503);
}

/// Sends the client its own address.
struct WhoAmI;

impl Controller for WhoAmI {
    async fn on_open(&self, conn: &Connection) -> Result {
        let addr = conn.peer_addr().map(|addr| addr.to_string());
        Ok(conn.push(addr.unwrap_or_else(|| "none".to_owned()))?)
    }
}

#[tokio::test]
async fn the_peer_of_a_mounted_service_is_the_one_that_the_outer_server_names() {
    let app = App::without_registry().controller("/who", WhoAmI);
    let (service, running) = app.config(config()).into_service("ws").await.unwrap();
    let told = service.clone().peer_addr_from(|extensions| extensions.get().map(|ConnectInfo(addr)| *addr));
    let marked: SocketAddr = "203.0.113.7:80".parse().unwrap();
    let app = Router::new()
        .nest_service("/told", told.clone())
        .nest_service("/untold", service.clone())
        .nest_service("/marked", Router::new().fallback_service(service).layer(axum::Extension(marked)))
        .nest_service("/both", Router::new().fallback_service(told).layer(axum::Extension(marked)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (path, expected) in
        [("told", None), ("untold", Some("none")), ("marked", Some("203.0.113.7:80")), ("both", None)]
    {
        let url = format!("ws://{addr}/{path}/who");
        let (mut client, _) = within("connect", tokio_tungstenite::connect_async(url)).await.unwrap();
        let tokio_tungstenite::MaybeTlsStream::Plain(stream) = client.get_ref() else { panic!("no TCP") };
        let own = stream.local_addr().unwrap().to_string();
        assert_eq!(next_text(&mut client).await, expected.unwrap_or(&own), "{path}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn into_service_of_no_websocket_server_is_a_start_error() {
    let error = echo().config(config()).into_service("admin").await.map(|_| ()).unwrap_err();
    assert!(
        matches!(error.problems(), [Problem::UnknownServer { server, .. }] if server == "admin"),
        "{error}"
    );
    assert!(error.to_string().contains("one_port.rs:"), "{error}");
}

#[tokio::test]
async fn p6_handshakes_wait_until_all_start_hooks_have_finished() {
    let (release, second_ran) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (hook_release, hook_ran) = (Arc::clone(&release), Arc::clone(&second_ran));
    let (sender, addr) = tokio::sync::oneshot::channel();
    let app = echo()
        .state(7_u8)
        .config(config())
        .on_start(async move |app| {
            let _ = sender.send((app.local_addr("ws").unwrap(), app.state::<u8>()));
            hook_release.notified().await;
        })
        .on_start(async move |_| -> Result {
            hook_ran.store(true, Ordering::SeqCst);
            Ok(())
        });
    let starting = tokio::spawn(app.start());
    let (addr, state) = within("the hook", addr).await.unwrap();
    assert_eq!(state, Some(7));
    let mut raw = Raw::connect(addr).await;
    let mut waiting = Box::pin(raw.request("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    release.notify_one();
    assert_eq!(waiting.await.status, 404);
    assert!(second_ran.load(Ordering::SeqCst));
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_start_hook_that_fails_or_panics_is_a_start_error() {
    let failing = echo().config(config()).on_start(async |_| -> Result { Err("no database".into()) });
    let panicking = echo().config(config()).on_start(async |_| {
        if true {
            panic!("on purpose")
        }
    });
    for (app, text) in [(failing, "no database"), (panicking, "it panicked")] {
        let error = app.start().await.map(drop).unwrap_err();
        let [Problem::OnStart { location, message }] = error.problems() else { panic!("{error}") };
        assert_eq!((location.file.ends_with("one_port.rs"), &**message), (true, text));
    }
}

#[tokio::test]
async fn a_fallback_for_an_unknown_server_is_a_start_error() {
    let error =
        echo().config(Config::default()).fallback("web", router()).start().await.map(drop).unwrap_err();
    assert!(
        matches!(error.problems(), [Problem::UnknownServer { server, .. }] if server == "web"),
        "{error}"
    );
}
