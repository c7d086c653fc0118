//! How a connection over HTTP/2 ends: close frames, END_STREAM, RST_STREAM, GOAWAY, the drain.

use std::{io, pin::pin, sync::Arc};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Notify};
use ws_core::{App, CloseReason};

use super::{Client, Outer, connect, echo};
use crate::support::{Probe, Reports, within};

async fn probe() -> (Outer, Reports) {
    let (probe, reports) = Probe::new();
    (Outer::start(App::without_registry().controller("/", probe)).await, reports)
}

#[tokio::test]
async fn after_the_close_frames_the_server_ends_the_stream() {
    let (outer, mut reports) = probe().await;
    let client = Client::connect(outer.addr).await;
    client.open("/").await.close().await;
    reports.open().await;
    assert_eq!(reports.close().await.code(), 1000);

    let mut stream = client.open("/").await;
    reports.open().await.disconnect(4001, "enough").unwrap();
    assert_eq!(stream.read_frame().await.close(), (4001, "enough".to_owned()));
    stream.frame(0x88, &4001_u16.to_be_bytes());
    stream.expect_end().await;
    assert_eq!(reports.close().await.code(), 4001);
}

#[tokio::test]
async fn end_stream_without_a_close_frame_is_the_end_of_the_client() {
    let (outer, mut reports) = probe().await;
    let client = Client::connect(outer.addr).await;
    let mut stream = client.open("/").await;
    reports.open().await;
    stream.end();
    assert_eq!(reports.close().await, CloseReason::Gone(io::ErrorKind::UnexpectedEof));
    stream.expect_end().await;
}

#[tokio::test]
async fn a_reset_by_the_client_is_its_end() {
    let (outer, mut reports) = probe().await;
    let client = Client::connect(outer.addr).await;
    for reason in [h2::Reason::CANCEL, h2::Reason::INTERNAL_ERROR, h2::Reason::NO_ERROR] {
        let mut stream = client.open("/").await;
        reports.open().await;
        stream.send.send_reset(reason);
        assert!(matches!(reports.close().await, CloseReason::Gone(_)), "{reason:?}");
    }
    assert_eq!(outer.running.hub().count_local(), 0);
}

#[tokio::test]
async fn the_end_of_the_connection_ends_all_its_streams() {
    let (outer, mut reports) = probe().await;
    let client = Client::connect(outer.addr).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(client.open("/").await);
        reports.open().await;
    }
    drop(client);
    for _ in 0..10 {
        assert!(matches!(reports.close().await, CloseReason::Gone(_)));
    }
}

#[tokio::test]
async fn a_broken_frame_is_answered_and_ends_one_stream() {
    let (outer, mut reports) = probe().await;
    let client = Client::connect(outer.addr).await;
    let (mut broken, other) = (client.open("/").await, client.open("/").await);
    broken.frame(0xf1, b"reserved bits");
    assert_eq!(broken.read_frame().await.close().0, 1002);
    broken.expect_end().await;
    other.close().await;
    reports.open().await;
}

#[tokio::test]
async fn a_drain_closes_each_stream_with_1001_and_refuses_new_ones() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(client.open("/echo").await);
    }
    let shutdown = tokio::spawn(outer.running.shutdown());
    for stream in &mut streams {
        assert_eq!(stream.read_frame().await.close().0, 1001);
        stream.frame(0x88, &1001_u16.to_be_bytes());
        stream.expect_end().await;
    }
    let report = within("the end", shutdown).await.unwrap();
    assert_eq!((report.closed, report.lost, report.cut), (5, 0, 0));
    // The outer server runs on.
    let answer = client.answer(connect("/echo")).await;
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.header("connection")),
        (503, Some("5"), None)
    );
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_frame_of_a_drain_is_lost() {
    let mut config = crate::support::config();
    config.servers[0].limits.close_timeout = std::time::Duration::from_millis(100);
    let outer = Outer::start_with(echo(), config).await;
    let client = Client::connect(outer.addr).await;
    let mut stream = client.open("/echo").await;
    let report = within("the end", outer.running.shutdown()).await;
    assert_eq!((report.closed, report.lost, report.cut), (0, 1, 0));
    assert_eq!(stream.read_frame().await.close().0, 1001);
    stream.expect_end().await;
    assert_eq!(stream.expect_reset().await, h2::Reason::NO_ERROR);
}

#[tokio::test]
async fn goaway_of_the_outer_server_leaves_the_open_ones_alone() {
    let (service, running) = echo().config(crate::support::config()).into_service("ws").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let goes_away = Arc::new(Notify::new());
    let told = Arc::clone(&goes_away);
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.enable_connect_protocol();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => panic!("it has ended before"),
            () = told.notified() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    });
    let client = Client::connect(addr).await;
    let mut stream = client.open("/echo").await;
    goes_away.notify_one();
    within("a refusal", async { while client.ask(connect("/echo")).await.is_ok() {} }).await;
    stream.text("still here");
    assert_eq!(stream.read_text().await, "still here");
    assert_eq!(running.hub().count_local(), 1);
    stream.close().await;
    // The last stream ends the connection.
    within("the end", server).await.unwrap().unwrap();
}
