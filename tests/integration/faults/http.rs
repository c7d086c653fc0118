//! Panics in HTTP services of the same process, beside the WebSocket servers and on their port.

use axum::{Router, body::Body, routing::get};
use futures_util::stream;
use ws_core::{
    App,
    config::{ServerConfig, ServerKind},
};

use super::{assert_logged_once, expect_panics};
use crate::support::{Echo, Logs, Raw, config, next_text, send, start_with};

/// A body whose second chunk panics.
async fn half() -> Body {
    Body::from_stream(stream::unfold(0, async |number| {
        // The first chunk has been sent by then.
        tokio::task::yield_now().await;
        assert!(number < 1, "on purpose: a body");
        Some((Ok::<_, std::io::Error>("half"), number + 1))
    }))
}

async fn none() -> &'static str {
    panic!("on purpose: a handler")
}

#[tokio::test]
async fn a_panic_in_an_http_service_ends_its_own_request() {
    expect_panics();
    let router =
        || Router::new().route("/none", get(none)).route("/half", get(half)).route("/", get("whole"));
    let mut config = config();
    // One connection for the bystander, one for the failing request.
    config.servers[0].limits.connections = 2;
    let mut http = ServerConfig::new("http", ServerKind::Http, 0);
    http.limits.connections = 1;
    config.servers.push(http);
    let app = App::without_registry().controller("/ws", Echo).fallback("ws", router()).http("http", router());
    let server = start_with(app, config).await;
    let mut bystander = server.connect("/ws").await;
    for addr in [server.addr, server.running.local_addr("http").unwrap()] {
        let cases = [
            ("/none", "HTTP/1.1 500 ", "", "an HTTP service panicked"),
            // The head was sent already, so the body can only be cut.
            ("/half", "HTTP/1.1 200 ", "4\r\nhalf\r\n", "the body of a response panicked"),
        ];
        for (path, begins, ends, says) in cases {
            let logs = Logs::start();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let mut raw = Raw::connect(addr).await;
            raw.write(request.as_bytes()).await;
            let answer = String::from_utf8(raw.read_to_end().await).unwrap();
            assert!(answer.starts_with(begins) && answer.ends_with(ends), "{path}: {answer}");
            assert_logged_once(&logs, path, says);
            drop(raw);
            // Its place is free again after the server has seen the end of the stream.
            loop {
                let whole = Raw::connect(addr).await.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                if whole.status != 503 {
                    assert_eq!((whole.status, &*whole.body), (200, "whole"), "{path}");
                    break;
                }
            }
            send(&mut bystander, "still here").await;
            assert_eq!(next_text(&mut bystander).await, "still here", "{path}");
        }
    }
}
