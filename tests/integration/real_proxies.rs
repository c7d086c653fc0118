//! The configurations of `docs/behind-a-proxy.md` and `docs/http2.md`, unchanged, with nginx and
//! haproxy. If one is not installed, its tests are skipped and print so; with
//! `WS_TESTS_NEED_PROXIES` they fail.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpSocket, TcpStream},
    process::{Child, Command},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};
use ws_core::{
    App, Config, Connection, Controller, Result,
    config::{ForwardedHeader, ServerConfig, ServerKind},
};

use crate::{
    certificates::{Files, Made, TlsStream, handshaken_from},
    support::{Raw, Server, config, handshake, probes, start_with, within},
};

const GUIDE: &str = include_str!("../../docs/behind-a-proxy.md");

const HTTP2_GUIDE: &str = include_str!("../../docs/http2.md");

/// The address of the client; the proxy's is 127.0.0.1.
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)), 0);

/// The number of pings to wait for: together they last longer than the timeouts of the proxy.
const PINGS: usize = 3;

/// Clients that are connected when the server stops.
const CLIENTS: usize = 10;

/// Sends the address of its client, then echoes.
struct Guide;

impl Controller for Guide {
    async fn on_open(&self, conn: &Connection) -> Result {
        let [peer, transport] =
            [conn.peer_addr(), conn.handshake().transport_addr()].map(|addr| addr.unwrap().ip().to_string());
        Ok(conn.push(format!("{peer} by {transport}"))?)
    }

    async fn on_message(&self, conn: &Connection, message: ws_core::Message) -> Result {
        Ok(conn.push(message)?)
    }
}

/// Returns the blocks of this language in the guide.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    GUIDE.split(&fence[..]).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Replaces these parts of a text. Each must occur.
fn with(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} in {text}");
        text.replace(from, to)
    })
}

fn is_installed(proxy: &str) -> bool {
    let found =
        std::process::Command::new(proxy).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        assert!(std::env::var_os("WS_TESTS_NEED_PROXIES").is_none(), "{proxy} is not installed");
        println!("SKIPPED: {proxy} is not installed");
    }
    found.is_ok()
}

/// A free port, which no other test gets while this exists: it is bound without listening, so a
/// server may listen on it.
struct Port(TcpSocket);

impl Port {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// A server with a `toml` block of the guide. Its pings are as much faster as the timeouts of the
/// proxies are shorter.
async fn serve(toml: &str, files: &Files) -> Server {
    let toml = toml
        .replace("9502", "0")
        .replace("/etc/ssl/example.com/fullchain.pem", files.certificate.to_str().unwrap())
        .replace("/etc/ssl/example.com/key.pem", files.key.to_str().unwrap());
    let heartbeat = "\n[servers.heartbeat]\ninterval = \"1500ms\"\ntimeout = \"1500ms\"\n";
    let config = Config::from_toml_str(&(toml + heartbeat), "the guide").unwrap();
    start_with(App::without_registry().controller("/", Guide), config).await
}

/// Starts a proxy and waits until it listens.
async fn run(mut command: Command, proxy: SocketAddr) -> Child {
    let child = command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    within("the proxy", async {
        while TcpStream::connect(proxy).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    child
}

type Client = WebSocketStream<TlsStream>;

async fn connect(proxy: SocketAddr, made: &Made, path: &str) -> std::result::Result<Client, Error> {
    let stream = handshaken_from(CLIENT, proxy, made, b"http/1.1").await.unwrap();
    let mut request = format!("wss://localhost:{}{path}", proxy.port()).into_client_request().unwrap();
    // The address that a client claims is ignored, and a page of this host may connect.
    request.headers_mut().insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
    request.headers_mut().insert("origin", format!("https://localhost:{}", proxy.port()).parse().unwrap());
    Ok(within("handshake", client_async(request, stream)).await?.0)
}

async fn next(client: &mut Client) -> Message {
    within("a message", client.next()).await.unwrap().unwrap()
}

/// Checks everything that must work through any proxy.
async fn check(server: Server, proxy: SocketAddr, made: &Made) {
    let mut client = connect(proxy, made, "/").await.unwrap();
    assert_eq!(next(&mut client).await, Message::text("127.0.0.3 by 127.0.0.1"));

    let large = Message::binary(vec![7; 300_000]);
    client.send(large.clone()).await.unwrap();
    assert_eq!(next(&mut client).await, large);

    // Only heartbeats, for longer than the timeouts of the proxy.
    for _ in 0..PINGS {
        assert!(matches!(next(&mut client).await, Message::Ping(_)));
    }
    client.send(Message::text("still here")).await.unwrap();
    while next(&mut client).await != Message::text("still here") {}

    match connect(proxy, made, "/nowhere").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("a refusal is forwarded: {other:?}"),
    }

    // After the server's close frame the tunnel stays open in both directions, for the answers of
    // the clients.
    let mut clients = vec![client];
    for _ in 1..CLIENTS {
        clients.push(connect(proxy, made, "/").await.unwrap());
    }
    let stopping = tokio::spawn(server.running.shutdown());
    let mut closing = JoinSet::new();
    for mut client in clients {
        closing.spawn(async move {
            let frame = loop {
                match next(&mut client).await {
                    Message::Close(frame) => break frame.unwrap(),
                    Message::Ping(_) | Message::Text(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(u16::from(frame.code), 1001);
            // A client whose answer takes some time.
            tokio::time::sleep(Duration::from_millis(50)).await;
            while let Some(Ok(_)) = client.next().await {}
        });
    }
    closing.join_all().await;
    let report = within("shutdown", stopping).await.unwrap();
    assert_eq!((report.closed, report.lost, report.cut), (CLIENTS, 0, 0));
}

#[tokio::test]
async fn nginx_as_documented() {
    if !is_installed("nginx") {
        return;
    }
    let made = Made::new();
    let files = Files::new(&made);
    let server = serve(blocks("toml")[0], &files).await;
    let port = Port::new();
    let proxy = port.addr();
    let block = with(
        blocks("nginx")[0],
        &[
            ("listen 443", &format!("listen {proxy}")),
            ("127.0.0.1:9502", &server.addr.to_string()),
            ("/etc/ssl/example.com/fullchain.pem", files.certificate.to_str().unwrap()),
            ("/etc/ssl/example.com/key.pem", files.key.to_str().unwrap()),
            ("60s", "4s"),
        ],
    );
    let folder: PathBuf = files.key.parent().unwrap().into();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name}_temp;\n"))
        .concat();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         {temporary}{block}}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, whole).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    let _nginx = run(command, proxy).await;
    check(server, proxy, &made).await;
}

/// Runs a `haproxy` block of the guide in front of a server.
async fn haproxy(toml: usize, haproxy: usize, more: &[(&str, &str)]) {
    if !is_installed("haproxy") {
        return;
    }
    let made = Made::new();
    let files = Files::new(&made);
    let server = serve(blocks("toml")[toml], &files).await;
    let port = Port::new();
    let proxy = port.addr();
    let both = files.key.with_file_name("both.pem");
    std::fs::write(&both, made.pem() + &made.key_pem()).unwrap();
    let block = with(
        blocks("haproxy")[haproxy],
        &[
            ("bind :443", &format!("bind {proxy}")),
            ("127.0.0.1:9502", &server.addr.to_string()),
            ("60s", "4s"),
        ],
    );
    let block = with(&block, more).replace("/etc/haproxy/example.com.pem", both.to_str().unwrap());
    let file = files.key.with_file_name("haproxy.cfg");
    std::fs::write(&file, block).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let _haproxy = run(command, proxy).await;
    check(server, proxy, &made).await;
}

#[tokio::test]
async fn haproxy_speaking_http_as_documented() {
    haproxy(0, 0, &[]).await;
}

#[tokio::test]
async fn haproxy_passing_tls_through_with_version_2_as_documented() {
    haproxy(1, 1, &[]).await;
}

#[tokio::test]
async fn haproxy_passing_tls_through_with_version_1() {
    haproxy(1, 1, &[("send-proxy-v2", "send-proxy")]).await;
}

/// A server with a readiness page over HTTP, and its line in the configuration of a load balancer.
async fn balanced() -> (Server, String) {
    let mut config = config();
    config.drain.grace = Duration::from_secs(60 * 60);
    config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
    let app = App::without_registry().controller("/", Guide);
    let readiness = app.readiness();
    let app = app.http("http", probes(readiness));
    let server = start_with(app, config).await;
    let http = server.running.local_addr("http").unwrap().port();
    let line = format!("{} check port {http}", server.addr);
    (server, line)
}

#[tokio::test]
async fn haproxy_sends_no_client_to_a_draining_server_as_documented() {
    if !is_installed("haproxy") {
        return;
    }
    let ((stopping, first), (staying, second)) = (balanced().await, balanced().await);
    let port = Port::new();
    let proxy = port.addr();
    let block = with(
        blocks("haproxy")[2],
        &[
            ("bind :80", &format!("bind {proxy}")),
            ("10.0.0.11:9502 check port 9501", &first),
            ("10.0.0.12:9502 check port 9501", &second),
            ("inter 5s", "inter 50ms"),
        ],
    );
    let files = Files::new(&Made::new());
    let file = files.key.with_file_name("haproxy.cfg");
    std::fs::write(&file, block).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let _haproxy = run(command, proxy).await;

    // One after the other: the first two are on different servers.
    let mut open = [Raw::connect(proxy).await, Raw::connect(proxy).await];
    for raw in &mut open {
        assert_eq!(raw.request(&handshake("/")).await.status, 101);
        assert_eq!(raw.read_frame().await.payload, b"127.0.0.1 by 127.0.0.1");
    }
    assert_eq!((stopping.running.hub().count_local(), staying.running.hub().count_local()), (1, 1));

    let hub = stopping.running.hub();
    let _stopping = tokio::spawn(stopping.running.shutdown());
    within("handshakes that are all well", async {
        let mut in_a_row = 0;
        while in_a_row < 10 {
            let status = Raw::connect(proxy).await.request(&handshake("/")).await.status;
            in_a_row = if status == 101 { in_a_row + 1 } else { 0 };
        }
    })
    .await;
    assert_eq!(hub.count_local(), 1, "open connections are not affected");
    for raw in &mut open {
        raw.frame(0x81, b"still here").await;
        assert_eq!(raw.read_frame().await.payload, b"still here");
    }
}

/// Says by which version of HTTP the proxy came, and for which client.
struct Came;

impl Controller for Came {
    async fn on_open(&self, conn: &Connection) -> Result {
        let peer = conn.peer_addr().unwrap().ip();
        Ok(conn.push(format!("{peer} by {:?}", conn.handshake().version()))?)
    }

    async fn on_message(&self, conn: &Connection, message: ws_core::Message) -> Result {
        Ok(conn.push(message)?)
    }
}

#[tokio::test]
async fn haproxy_comes_by_http2_as_documented() {
    if !is_installed("haproxy") {
        return;
    }
    let mut config = config();
    config.servers[0].proxy.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    config.servers[0].proxy.header = ForwardedHeader::XForwardedFor;
    let app = App::without_registry().controller("/", Came).config(config);
    let (service, running) = app.into_service("ws").await.unwrap();
    let service =
        service.peer_addr_from(|extensions| extensions.get().map(|axum::extract::ConnectInfo(addr)| *addr));
    let router = axum::Router::new().fallback_service(service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let made = Made::new();
    let files = Files::new(&made);
    let both = files.key.with_file_name("both.pem");
    std::fs::write(&both, made.pem() + &made.key_pem()).unwrap();
    let port = Port::new();
    let proxy = port.addr();
    let (_, block) = HTTP2_GUIDE.split_once("```haproxy\n").unwrap();
    let block = with(
        block.split("```").next().unwrap(),
        &[
            ("bind :443", &format!("bind {proxy}")),
            ("127.0.0.1:3000", &addr.to_string()),
            ("/etc/haproxy/example.com.pem", both.to_str().unwrap()),
        ],
    );
    let file = files.key.with_file_name("haproxy.cfg");
    std::fs::write(&file, block).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let _haproxy = run(command, proxy).await;

    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(proxy, &made, "/").await.unwrap();
        assert_eq!(next(&mut client).await, Message::text("127.0.0.3 by HTTP/2.0"));
        clients.push(client);
    }
    for size in [1, 70_000, 1 << 18] {
        for client in &mut clients {
            let message = Message::binary(vec![7; size]);
            client.send(message.clone()).await.unwrap();
            assert!(next(client).await == message, "{size}");
        }
    }
    let closed = async {
        for client in &mut clients {
            let Message::Close(Some(frame)) = next(client).await else { panic!("no close frame") };
            assert_eq!(u16::from(frame.code), 1001);
            while client.next().await.is_some() {}
        }
    };
    let (report, ()) = tokio::join!(running.shutdown(), closed);
    assert_eq!((report.closed, report.lost, report.cut), (CLIENTS, 0, 0));
}
