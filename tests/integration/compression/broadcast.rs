//! A message to many connections.

use ws_core::{
    App, Connection, Controller, Message, Result, Route,
    config::CompressionMode,
    testing::{TestApp, TestCluster},
};

use super::{OFFER, Peer, TEXT, noise, offer, per_message, serve, text};
use crate::support::{Raw, Server, until};

/// Sends what it receives to all in the room.
struct Room;

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.join_confirmed("all").await?;
        Ok(conn.push("in")?)
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.room("all").push(message);
        Ok(())
    }
}

async fn member(server: &Server, path: &str, offered: &str) -> Peer {
    let mut peer = Peer::connect_to(server, path, offered).await;
    assert_eq!(peer.receive().await.bytes, b"in");
    peer
}

async fn plain_member(server: &Server, path: &str, offered: &str) -> Raw {
    let (mut raw, chosen) = offer(server, path, offered).await;
    assert_eq!(chosen, None);
    assert_eq!(raw.read_frame().await.payload, b"in");
    raw
}

#[tokio::test]
async fn members_without_a_window_get_the_same_bytes_and_all_of_it_is_counted() {
    let server = serve(App::without_registry().controller("/", Room), per_message()).await;
    let mut members = Vec::new();
    for _ in 0..5 {
        members.push(member(&server, "/", OFFER).await);
    }
    let (mut before, mut after) = (0, 0);
    for length in [300, 5000, 100_000] {
        let message = text(length, length);
        members[0].send(TEXT, &message).await;
        let mut wires = Vec::new();
        for member in &mut members {
            let received = member.receive().await;
            assert!(received.is_compressed && received.bytes == message.as_bytes());
            wires.push(received.wire);
        }
        assert!(wires.windows(2).all(|two| two[0] == two[1]), "{length}");
        before += 5 * length;
        after += wires.iter().map(Vec::len).sum::<usize>();
    }
    // A message that does not become smaller is not counted as compressed.
    members[1].raw.frame(0x82, &noise(3000)).await;
    for member in &mut members {
        assert!(!member.receive().await.is_compressed);
    }
    let route = || server.running.stats().servers[0].routes[0].clone();
    let sent = || [route().sent_compression.before, route().sent_compression.after];
    // "in" is too short to become smaller.
    until("all is counted", || sent() == [before as u64, after as u64]).await;
    let bytes = before + 5 * 3000 + 5 * 2;
    until("all is counted", || route().sent.bytes() == bytes as u64).await;
    assert_eq!(route().received.bytes() as usize, before / 5 + 3000);
}

#[tokio::test]
async fn each_member_of_a_room_gets_a_message_as_it_has_negotiated() {
    let settings = |path: &'static str, mode, level, threshold| {
        Route::new(path, Room).compression(move |it| {
            (it.mode, it.level, it.threshold) = (mode, level, Some(threshold));
        })
    };
    let app = App::without_registry()
        .route(settings("/off", CompressionMode::Off, 1, 1))
        .route(settings("/fast", CompressionMode::PerMessage, 1, 1))
        .route(settings("/small", CompressionMode::PerMessage, 9, 1))
        .route(settings("/large-only", CompressionMode::PerMessage, 1, 10_000))
        .route(settings("/window", CompressionMode::Window, 1, 1));
    let server = serve(app, per_message()).await;
    let mut off = plain_member(&server, "/off", OFFER).await;
    let mut declined = plain_member(&server, "/fast", "permessage-deflate; unknown").await;
    let mut fast = member(&server, "/fast", OFFER).await;
    let mut narrow = member(&server, "/fast", "permessage-deflate; server_max_window_bits=9").await;
    let mut small = member(&server, "/small", OFFER).await;
    let mut large_only = member(&server, "/large-only", OFFER).await;
    let mut window = member(&server, "/window", OFFER).await;
    let mut other_window = member(&server, "/window", OFFER).await;
    for round in 0..3 {
        let message = text(round, 3000);
        window.send(TEXT, &message).await;
        let plain = off.read_frame().await;
        assert_eq!((plain.first, &plain.payload[..]), (0x81, message.as_bytes()));
        assert_eq!(declined.read_frame().await, plain, "{round}");
        let mut wires = Vec::new();
        for (name, member) in [
            ("fast", &mut fast),
            ("narrow", &mut narrow),
            ("small", &mut small),
            ("window", &mut window),
            ("other window", &mut other_window),
        ] {
            let received = member.receive().await;
            assert!(received.is_compressed && received.bytes == message.as_bytes(), "{name}, {round}");
            wires.push(received.wire);
        }
        let [fast, narrow, small, window, other_window] = &wires[..] else { panic!() };
        assert!(small.len() < fast.len(), "a higher level");
        assert_ne!(narrow, fast, "a smaller window");
        assert_eq!(window, other_window, "with the same messages before");
        assert!(round == 0 || window.len() < fast.len() / 2, "a window makes it smaller");
        let received = large_only.receive().await;
        assert!(!received.is_compressed && received.bytes == message.as_bytes());
    }
    // A message of its own does not change what the others get.
    window.send(TEXT, text(9, 20_000)).await;
    assert!(large_only.receive().await.is_compressed);
}

#[tokio::test]
async fn a_message_of_another_node_is_compressed_for_the_members_here() {
    let settings = |path: &'static str, mode| {
        Route::new(path, Room).compression(move |it| (it.mode, it.threshold) = (mode, Some(1)))
    };
    let app = || {
        App::without_registry()
            .route(settings("/", CompressionMode::PerMessage))
            .route(settings("/window", CompressionMode::Window))
    };
    let cluster = TestCluster::new();
    let (here, there) = (cluster.start(app()).await, cluster.start(app()).await);
    let join = async |app: &TestApp, path: &str, offered: &str| {
        let connecting = app.connect(path).header("sec-websocket-extensions", offered);
        let mut client = connecting.await.unwrap();
        assert_eq!(client.next_text().await.unwrap(), "in");
        client
    };
    let mut sender = join(&there, "/", "").await;
    let mut plain = join(&here, "/", "").await;
    let _members = [join(&here, "/", OFFER).await, join(&here, "/", OFFER).await];
    let _with_window = join(&here, "/window", OFFER).await;
    let message = text(1, 3000);
    sender.send_text(message.clone()).await;
    assert_eq!(plain.next_text().await.unwrap(), message);
    assert_eq!(sender.next_text().await.unwrap(), message);
    let routes = || here.running().stats().servers[0].routes.clone();
    for (path, members) in [("/", 2), ("/window", 1)] {
        let sent = || routes().iter().find(|it| it.path == path).unwrap().sent_compression;
        until("it is compressed", || sent().before == members * 3000).await;
        assert!(sent().after < sent().before / 3 && sent().after % members == 0, "{:?}", sent());
    }
    let bytes: u64 = routes().iter().map(|route| route.sent.bytes()).sum();
    assert_eq!(bytes, 4 * (3000 + 2), "of the messages, before compression");
}
