//! TLS: real certificates from files, over real sockets.

use std::{net::SocketAddr, time::Duration};

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::pki_types::CertificateDer;
use ws_core::{
    App, Message,
    app::{Problem, TlsError},
    client::{Client, Received},
    config::{ServerConfig, ServerKind},
};

use crate::{
    certificates::{Files, Made, TlsStream, handshaken},
    process::Process,
    support::{Echo, PATIENCE, Probe, Raw, Server, handshake, start_with, within},
};

fn echo() -> App {
    App::without_registry().controller("/", Echo)
}

async fn start(files: &Files) -> Server {
    start_with(echo(), files.config()).await
}

/// A client that trusts only this certificate.
async fn connect(addr: SocketAddr, made: &Made) -> Client {
    let uri = format!("wss://localhost:{}/", addr.port());
    within("wss", Client::builder(uri).root_certificates_pem(made.pem()).connect()).await.unwrap()
}

async fn echoes(client: &mut Client) {
    client.send("over TLS").await.unwrap();
    let received = within("echo", client.recv(None)).await;
    assert_eq!(received, Received::Message(Message::text("over TLS")));
}

fn shown(stream: &TlsStream) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_websocket_server_speaks_tls() {
    let made = Made::new();
    let server = start(&Files::new(&made)).await;
    let mut client = connect(server.addr, &made).await;
    echoes(&mut client).await;
    assert_eq!(client.close(1000, "").await.unwrap().code(), 1000, "the close frame arrived");
}

#[tokio::test]
async fn an_http_server_speaks_tls() {
    let made = Made::new();
    let mut config = Files::new(&made).config();
    let mut http = ServerConfig::new("http", ServerKind::Http, 0);
    http.tls.clone_from(&config.servers[0].tls);
    config.servers.push(http);
    let router = axum::Router::new().route("/", get(async || "page"));
    let server = start_with(echo().http("http", router), config).await;
    let addr = server.running.local_addr("http").unwrap();
    let mut stream = handshaken(addr, &made, b"http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within("answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("page"), "{answer}");
}

#[tokio::test]
async fn a_client_without_http_1_1_is_refused_in_the_tls_handshake() {
    let made = Made::new();
    let server = start(&Files::new(&made)).await;
    let error = handshaken(server.addr, &made, b"h2").await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn a_client_without_tls_gets_no_http() {
    let server = start(&Files::new(&Made::new())).await;
    let mut raw = Raw::connect(server.addr).await;
    raw.write(handshake("/").as_bytes()).await;
    let answer = raw.read_to_end().await;
    assert!(!answer.starts_with(b"HTTP"), "at most a TLS alert: {answer:?}");
}

#[tokio::test]
async fn a_refused_handshake_ends_with_close_notify() {
    let made = Made::new();
    let server = start(&Files::new(&made)).await;
    for (request, status) in [
        (handshake("/nowhere").replace("Connection: Upgrade", "Connection: Upgrade, close"), "404"),
        ("not HTTP\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = handshaken(server.addr, &made, b"http/1.1").await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // An end without `close_notify` is an error, because the answer might be incomplete.
        within("answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn a_tls_handshake_and_its_request_head_have_the_handshake_deadline() {
    let made = Made::new();
    let mut config = Files::new(&made).config();
    config.servers[0].limits.handshake_timeout = Duration::from_millis(200);
    let server = start_with(echo(), config).await;
    let mut silent = Raw::connect(server.addr).await;
    assert_eq!(silent.read_to_end().await, b"");
    let mut slow = handshaken(server.addr, &made, b"http/1.1").await.unwrap();
    let mut rest = Vec::new();
    // Cut, with or without a TLS alert.
    let _ = within("the cut", slow.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_stream_without_a_tls_handshake_does_not_delay_a_shutdown() {
    let made = Made::new();
    let mut config = Files::new(&made).config();
    // Longer than the timeout of the test, which would fail if the shutdown waited for it.
    config.servers[0].limits.handshake_timeout = 2 * PATIENCE;
    config.drain.timeout = 2 * PATIENCE;
    let server = start_with(echo(), config).await;
    let mut silent = Raw::connect(server.addr).await;
    // A later stream was accepted, so this one was accepted, too.
    drop(handshaken(server.addr, &made, b"http/1.1").await.unwrap());
    let report = within("shutdown", server.running.shutdown()).await;
    assert_eq!((report.closed, report.lost, report.cut), (0, 0, 0));
    assert!(silent.read_to_end().await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_written_in_several_parts_arrives_whole() {
    const SIZE: usize = 12 << 20;
    let made = Made::new();
    let (probe, mut reports) = Probe::new();
    let app = App::without_registry().controller("/", probe);
    let server = start_with(app, Files::new(&made).config()).await;
    let uri = format!("wss://localhost:{}/", server.addr.port());
    let client = Client::builder(uri).root_certificates_pem(made.pem()).message_limit(SIZE).connect();
    let mut client = within("wss", client).await.unwrap();
    let conn = reports.open().await;
    for size in [SIZE, 1, SIZE - 1, 70_000] {
        conn.push(Message::binary(vec![7; size])).unwrap();
        match within("a large message", client.recv(None)).await {
            Received::Message(message) => assert_eq!(message.len(), size),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_reloaded_certificate_applies_to_new_handshakes_and_a_faulty_one_is_ignored() {
    let (first, second) = (Made::new(), Made::new());
    let files = Files::new(&first);
    let server = start(&files).await;
    let mut early = connect(server.addr, &first).await;

    files.write(&second);
    server.running.reload_tls().unwrap();
    echoes(&mut early).await;
    let stream = handshaken(server.addr, &second, b"http/1.1").await.unwrap();
    assert_eq!(&shown(&stream), second.0.cert.der());

    std::fs::write(&files.certificate, "-----BEGIN CERT").unwrap();
    let error = server.running.reload_tls().unwrap_err();
    assert!(error.to_string().contains("certificate.pem"), "{error}");
    echoes(&mut connect(server.addr, &second).await).await;
    echoes(&mut early).await;
}

#[tokio::test]
#[cfg(unix)]
async fn sighup_reloads_the_certificate_and_keeps_all_connections() {
    let (first, second) = (Made::new(), Made::new());
    let files = Files::new(&first);
    let config = format!(
        "[[servers]]\nname = \"ws\"\nport = 0\n[servers.tls]\ncertificate = {:?}\nkey = {:?}\n",
        files.certificate, files.key
    );
    let mut process = Process::start(&config, "").await;
    let mut early = connect(process.addr, &first).await;
    echoes(&mut early).await;

    files.write(&second);
    process.signal("HUP").await;
    process.says("certificate reloaded").await;
    echoes(&mut early).await;
    echoes(&mut connect(process.addr, &second).await).await;

    std::fs::write(&files.key, Made::new().key_pem()).unwrap();
    process.signal("HUP").await;
    let line = process.says("certificate not reloaded").await;
    assert!(line.contains("key.pem: it is not the key of"), "{line}");
    echoes(&mut early).await;
    echoes(&mut connect(process.addr, &second).await).await;
}

#[tokio::test]
async fn an_unusable_certificate_or_key_is_a_start_error_with_the_file() {
    type Spoil = fn(&Files);
    let cases: [(&str, Spoil, &str, &str); 6] = [
        ("missing", |it| std::fs::remove_file(&it.certificate).unwrap(), "certificate.pem", "No such file"),
        ("empty", |it| std::fs::write(&it.certificate, "").unwrap(), "certificate.pem", "BEGIN CERTIFICATE"),
        (
            "no certificate",
            |it| {
                let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
                std::fs::write(&it.certificate, pem).unwrap();
            },
            "certificate.pem",
            "invalid peer certificate",
        ),
        ("no key file", |it| std::fs::remove_file(&it.key).unwrap(), "key.pem", "No such file"),
        (
            "a certificate for a key",
            |it| std::fs::write(&it.key, Made::new().pem()).unwrap(),
            "key.pem",
            "BEGIN PRIVATE KEY",
        ),
        (
            "another's key",
            |it| std::fs::write(&it.key, Made::new().key_pem()).unwrap(),
            "key.pem",
            "it is not the key of",
        ),
    ];
    for (name, spoil, file, reason) in cases {
        let files = Files::new(&Made::new());
        spoil(&files);
        let error = echo().config(files.config()).start().await.map(drop).unwrap_err();
        let [Problem::Tls(TlsError::File { server, file: named, .. })] = error.problems() else {
            panic!("{name}: {error}")
        };
        assert_eq!((&**server, named.file_name().unwrap().to_str().unwrap()), ("ws", file), "{name}");
        let text = error.to_string();
        assert!(text.contains("server `ws` cannot use ") && text.contains(reason), "{name}: {text}");
    }
}
