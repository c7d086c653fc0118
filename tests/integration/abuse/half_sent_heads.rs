//! Peers that keep request heads half-sent, and open a new stream for each one that is closed.
//! Other peers are served at once.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};
use ws_core::{
    App, Config,
    config::{ProxyProtocol, ServerConfig, ServerKind},
};

use crate::{
    certificates::{Files, Made, handshaken},
    support::{self, PATIENCE, Raw, Server, config, handshake, start_with, until},
};

/// The limit of pending streams: the share of an address is 32.
const PENDING: usize = 256;
const SHARE: usize = 32;
const HALF: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: ";
const PAGE: &str = "GET /page HTTP/1.1\r\nHost: x\r\n\r\n";
/// The longest wait of a well-behaved client. An unfinished head may not be closed before it is a
/// second old.
const AT_ONCE: Duration = Duration::from_secs(3);
const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 200));

/// Half-sent heads, until this is dropped.
struct Siege {
    _peers: JoinSet<()>,
    opened: Arc<AtomicUsize>,
    streams: usize,
}

impl Siege {
    /// Opens this number of streams from each of these addresses. Each sends these bytes and stops.
    async fn lay(addr: SocketAddr, from: &[IpAddr], streams: usize, bytes: &'static [u8]) -> Self {
        let (mut peers, opened) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for from in from.iter().flat_map(|from| std::iter::repeat_n(*from, streams)) {
            let opened = Arc::clone(&opened);
            peers.spawn(async move {
                loop {
                    let mut stream = connect_from(from, addr).await;
                    opened.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(bytes).await;
                    let _ = stream.read(&mut [0; 1]).await;
                    // The number of ports is limited.
                    sleep(Duration::from_millis(20)).await;
                }
            });
        }
        let siege = Self { _peers: peers, opened, streams: from.len() * streams };
        until("the streams are open", || siege.opened() > siege.streams).await;
        siege
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

async fn connect_from(from: IpAddr, addr: SocketAddr) -> TcpStream {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        if let Ok(stream) = socket.connect(addr).await {
            return stream;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn limited(server: &mut ServerConfig) {
    server.limits.pending_handshakes = PENDING;
    // Longer than any wait of the test, so that room is not made by the deadline.
    server.limits.handshake_timeout = 10 * PATIENCE;
}

async fn start(mut config: Config) -> Server {
    let mut http = ServerConfig::new("http", ServerKind::Http, 0);
    limited(&mut config.servers[0]);
    limited(&mut http);
    config.servers.push(http);
    let pages = Router::new().route("/page", get(async || "page"));
    start_with(App::without_registry().controller("/", support::Echo).http("http", pages), config).await
}

/// Checks that each of nine requests gets this status in time.
async fn all_get_in(addr: SocketAddr, request: &str, status: u16) {
    for number in 1..=9 {
        let began = Instant::now();
        let mut raw = Raw::connect(addr).await;
        assert_eq!(raw.request(request).await.status, status, "{number}");
        assert!(began.elapsed() < AT_ONCE, "{number} waited for {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn one_address_does_not_block_other_peers() {
    let server = start(config()).await;
    let http = server.running.local_addr("http").unwrap();
    for (addr, request, status) in [(server.addr, handshake("/"), 101), (http, PAGE.to_owned(), 200)] {
        for bytes in [HALF, b"", b"\r\n\r\nGET / HTTP/1.1\r\n"] {
            let siege = Siege::lay(addr, &[ONE], PENDING + 50, bytes).await;
            all_get_in(addr, &request, status).await;
            assert!(siege.opened() > siege.streams, "it is still open");
        }
    }
}

#[tokio::test]
async fn many_addresses_do_not_block_other_peers() {
    let addresses: Vec<IpAddr> = (201..=212).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect();
    let server = start(config()).await;
    let _siege = Siege::lay(server.addr, &addresses, SHARE, HALF).await;
    all_get_in(server.addr, &handshake("/"), 101).await;
}

#[tokio::test]
async fn unfinished_tls_handshakes_do_not_block_other_peers() {
    let made = Made::new();
    let server = start(Files::new(&made).config()).await;
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let _siege = Siege::lay(server.addr, &[ONE], PENDING + 50, bytes).await;
        for _ in 0..9 {
            let began = Instant::now();
            let mut stream = handshaken(server.addr, &made, b"http/1.1").await.unwrap();
            stream.write_all(handshake("/").as_bytes()).await.unwrap();
            let mut status = [0; 12];
            support::within("answer", stream.read_exact(&mut status)).await.unwrap();
            assert_eq!(&status, b"HTTP/1.1 101");
            assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        }
    }
}

fn behind_a_proxy() -> Config {
    let mut config = config();
    config.servers[0].proxy.trusted = vec!["127.0.0.1".parse().unwrap(), "127.0.0.200".parse().unwrap()];
    config.servers[0].proxy.protocol = ProxyProtocol::V1OrV2;
    config
}

fn named(client: &str, request: &str) -> String {
    format!("PROXY TCP4 {client} 127.0.0.1 4711 443\r\n{request}")
}

#[tokio::test]
async fn one_client_of_a_proxy_does_not_block_its_other_clients() {
    let server = start(behind_a_proxy()).await;
    let half = named("203.0.113.7", "GET / HTTP/1.1\r\n").leak().as_bytes();
    let _siege = Siege::lay(server.addr, &[ONE], PENDING + 50, half).await;
    all_get_in(server.addr, &named("203.0.113.8", &handshake("/")), 101).await;
}

#[tokio::test]
async fn a_trusted_proxy_has_no_share_but_its_clients_have() {
    let server = start(behind_a_proxy()).await;
    let request = handshake("/");
    let (half, rest) = request.split_at(30);
    let mut halves = Vec::new();
    for number in 0..3 * SHARE {
        let mut raw = Raw::connect(server.addr).await;
        raw.write(named(&format!("203.0.113.{}", number % 6), half).as_bytes()).await;
        halves.push(raw);
    }
    for mut raw in halves {
        assert_eq!(raw.request(rest).await.status, 101);
    }
}

/// A complete head has no share: a proxy that is not configured is not limited by it.
#[tokio::test]
async fn a_stream_with_a_complete_head_counts_for_no_address() {
    let server = start(config()).await;
    let mut refused = Vec::new();
    for _ in 0..2 * SHARE {
        let mut raw = Raw::connect(server.addr).await;
        assert_eq!(raw.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 426);
        refused.push(raw);
    }
    for mut raw in refused {
        assert_eq!(raw.request(&handshake("/")).await.status, 101);
    }
}

/// Idle streams of refused requests take all the room, and are closed when it is needed.
#[tokio::test]
async fn refused_streams_do_not_block_other_peers() {
    let server = start(config()).await;
    let mut refused = Vec::new();
    for _ in 0..PENDING {
        let mut raw = Raw::connect(server.addr).await;
        assert_eq!(raw.request("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 404);
        refused.push(raw);
    }
    all_get_in(server.addr, &handshake("/"), 101).await;
}
