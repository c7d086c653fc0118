//! Many WebSockets on one connection of HTTP/2, and the limits that each of them counts for.

use std::{net::SocketAddr, time::Duration};

use tokio::sync::Notify;
use ws_core::{
    App, Connection, Controller, Handshake, Message, Next, Response, Result, State, config::ForwardedHeader,
};

use super::{Client, Outer, Stream, connect, echo};
use crate::support::{config, until, within};

#[tokio::test]
async fn a_hundred_on_one_connection_do_not_disturb_each_other() {
    let outer = Outer::start(echo()).await;
    let client = Client::connect(outer.addr).await;
    let mut streams: Vec<Stream> = Vec::new();
    for _ in 0..100 {
        streams.push(client.open("/echo").await);
    }
    assert_eq!(outer.running.hub().count_local(), 100);
    for round in 0..3 {
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.text(&format!("{round} {at}"));
        }
        for (at, stream) in streams.iter_mut().enumerate() {
            assert_eq!(stream.read_text().await, format!("{round} {at}"));
        }
    }
    for stream in streams {
        stream.close().await;
    }
    until("all have left", || outer.running.hub().count_local() == 0).await;
}

#[tokio::test]
async fn each_counts_for_the_limit_of_its_address() {
    let mut config = config();
    config.servers[0].limits.connections_per_ip = Some(2);
    let outer = Outer::start_with(echo(), config).await;
    let client = Client::connect(outer.addr).await;
    let (first, _second) = (client.open("/echo").await, client.open("/echo").await);
    let answer = client.answer(connect("/echo")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("too many connections from this address"), "{answer:?}");
    first.close().await;
    until("it has left", || outer.running.hub().count_local() == 1).await;
    // The permit is released after the connection has left the hub.
    within("room", async { while client.ask(connect("/echo")).await.unwrap().0.status != 200 {} }).await;
}

/// Sends the address of the client, and that of the proxy.
struct WhoAmI;

impl Controller for WhoAmI {
    async fn on_open(&self, conn: &Connection) -> Result {
        let ip = |addr: Option<SocketAddr>| addr.map(|addr| addr.ip().to_string()).unwrap_or_default();
        let handshake = conn.handshake();
        Ok(conn.push(format!("{} by {}", ip(handshake.peer_addr()), ip(handshake.transport_addr())))?)
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_of_each() {
    let mut config = config();
    config.servers[0].proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    config.servers[0].proxy.header = ForwardedHeader::XForwardedFor;
    let outer = Outer::start_with(App::without_registry().controller("/who", WhoAmI), config).await;
    let client = Client::connect(outer.addr).await;
    for named in ["203.0.113.7", "203.0.113.8"] {
        let mut stream = client.open_by(connect("/who").header("x-forwarded-for", named)).await;
        assert_eq!(stream.read_text().await, format!("{named} by 127.0.0.1"));
    }
}

/// Lets a test decide when the handshake goes on.
#[derive(Default)]
struct Gate {
    has_come: Notify,
    may_go: Notify,
}

async fn wait_at_gate(
    handshake: Handshake,
    next: Next<'_>,
    State(gate): State<std::sync::Arc<Gate>>,
) -> Result<Response> {
    if handshake.query().is_some() {
        gate.has_come.notify_one();
        gate.may_go.notified().await;
    }
    next.run(handshake).await
}

#[tokio::test]
async fn a_handshake_that_the_client_resets_leaves_nothing_behind() {
    let gate = std::sync::Arc::new(Gate::default());
    let mut config = config();
    config.servers[0].limits.connections = 1;
    let app = echo().state(std::sync::Arc::clone(&gate)).middleware("ws", 0, wait_at_gate);
    let outer = Outer::start_with(app, config).await;
    let client = Client::connect(outer.addr).await;
    for _ in 0..3 {
        let request = connect("/echo?wait").body(()).unwrap();
        let mut ready = client.send.clone().ready().await.unwrap();
        let (response, mut send) = ready.send_request(request, false).unwrap();
        within("the middleware", gate.has_come.notified()).await;
        assert_eq!(client.answer(connect("/echo")).await.status, 503, "its place is taken");
        send.send_reset(h2::Reason::CANCEL);
        drop(response);
        within("room", async {
            loop {
                let (head, mut send, _receive) = client.ask(connect("/echo")).await.unwrap();
                send.send_reset(h2::Reason::CANCEL);
                if head.status == 200 {
                    break;
                }
            }
        })
        .await;
        until("it has left", || outer.running.hub().count_local() == 0).await;
    }
}

/// Answers its first message only when it may.
struct Held(std::sync::Arc<Notify>);

impl Controller for Held {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        self.0.notified().await;
        Ok(conn.push(message)?)
    }
}

#[tokio::test]
async fn one_that_reads_no_messages_does_not_stop_the_others() {
    const WINDOW: u32 = 64 << 10;
    let release = std::sync::Arc::new(Notify::new());
    let mut config = config();
    config.servers[0].limits.handler_timeout = Some(Duration::from_secs(60));
    let app = echo().controller("/held", Held(std::sync::Arc::clone(&release)));
    // The window of the connection has room for more than one stream that is not read.
    let outer = Outer::start_as(app, config, |builder| {
        builder.http2().initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW * 16);
    })
    .await;
    let client = Client::connect(outer.addr).await;
    let (mut held, mut other) = (client.open("/held").await, client.open("/echo").await);
    // More than the inbox and the window of the stream take.
    let messages = 20_usize;
    for _ in 0..messages {
        held.frame(0x82, &[7; 64 << 10]);
    }
    for at in 0..20 {
        other.frame(0x82, &vec![at; 32 << 10]);
        assert_eq!(other.read_frame().await.payload, vec![at; 32 << 10]);
    }
    for _ in 0..messages {
        release.notify_one();
        assert_eq!(held.read_frame().await.payload.len(), 64 << 10);
    }
}
