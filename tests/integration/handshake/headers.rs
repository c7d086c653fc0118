//! The headers of a handshake in detail (RFC 6455 sections 4.2.1, 9.1 and 11.3; RFC 9110 section
//! 5).

use super::*;

const NO_HOST: &str = "a WebSocket handshake names one host";
const NO_UPGRADE: &str = "this is a WebSocket route: upgrade to websocket";

#[tokio::test]
async fn upgrade_and_connection_must_be_exact_tokens() {
    let server = echo().await;
    let good: [(&str, &[&str]); 6] = [
        ("Connection", &["keep-alive", "Upgrade"]),
        ("Connection", &["close", "x, uPgRaDe"]),
        ("Connection", &[",, Upgrade ,"]),
        ("Connection", &["keep-alive,\tUpgrade"]),
        ("Upgrade", &["h2c", "WebSocket"]),
        ("Upgrade", &["TLS/1.3, websocket"]),
    ];
    for (header, lines) in good {
        let answer = server.answer(&handshake_but("/echo", header, lines)).await;
        assert_eq!(answer.status, 101, "{header}: {lines:?}");
    }
    let bad = [
        ("Connection", "not-upgrade"),
        ("Connection", "Upgrade-Insecure"),
        ("Connection", "Upgrade;q=1"),
        ("Connection", "keep-alive Upgrade"),
        ("Connection", "\"Upgrade\""),
        ("Upgrade", "websocketx"),
        ("Upgrade", "xwebsocket"),
        ("Upgrade", "websocket/13"),
        ("Upgrade", "web socket"),
        ("Upgrade", ""),
    ];
    for (header, line) in bad {
        let answer = server.answer(&handshake_but("/echo", header, &[line])).await;
        assert_refused(
            line,
            &answer,
            426,
            NO_UPGRADE,
            &[("upgrade", "websocket"), ("connection", "Upgrade")],
        );
    }
}

#[tokio::test]
async fn a_key_is_one_value_in_padded_base64() {
    let server = echo().await;
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let twice = format!("{key}, {key}");
    let quoted = format!("\"{key}\"");
    let cases = [
        ("the alphabet of URLs", "dGhlIHNhbXBsZSBub25j-_=="),
        ("whitespace inside", "dGhlIHNhbXBs ZSBub25jZQ=="),
        ("one sign of padding", "dGhlIHNhbXBsZSBub25jZQ="),
        ("three signs of padding", "dGhlIHNhbXBsZSBub25jZQ==="),
        ("padding inside", "dGhlIHNhbXBs==ZSBub25jZQ"),
        ("a list", &twice),
        ("quoted", &quoted),
    ];
    for (name, line) in cases {
        let answer = server.answer(&handshake_but("/echo", "Sec-WebSocket-Key", &[line])).await;
        assert_refused(name, &answer, 400, "sec-websocket-key is invalid!", &[]);
    }
    // Whitespace around a value is not part of it.
    let padded = format!(" \t{key}\t ");
    let answer = server.answer(&handshake_but("/echo", "Sec-WebSocket-Key", &[&padded])).await;
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[tokio::test]
async fn a_handshake_names_one_host() {
    let server = echo().await;
    for line in ["localhost", "example.com:9502", "127.0.0.1", "[::1]:9502"] {
        assert_eq!(server.answer(&handshake_but("/echo", "Host", &[line])).await.status, 101, "{line}");
    }
    let cases: [(&str, &[&str]); 6] = [
        ("missing", &[]),
        ("empty", &[""]),
        ("twice", &["localhost", "localhost"]),
        ("two", &["localhost", "example.com"]),
        ("no host", &["local host/"]),
        ("with a user", &["jerry@localhost"]),
    ];
    for (name, lines) in cases {
        // An absolute target does not replace it (RFC 9112 section 3.2.2), nor does an unknown
        // path.
        for target in ["/echo", "http://localhost/echo", "/nowhere"] {
            let answer = server.answer(&handshake_but(target, "Host", lines)).await;
            assert_refused(name, &answer, 400, NO_HOST, &[]);
        }
    }
}

#[tokio::test]
async fn a_version_is_one_number_without_signs() {
    let server = echo().await;
    for line in
        ["0", "7", "8", "12", "14", "256", "+13", "-13", "13.0", "0x0d", "\"13\"", "13;q=1", "thirteen"]
    {
        let answer = server.answer(&handshake_but("/echo", "Sec-WebSocket-Version", &[line])).await;
        let headers = [("sec-websocket-version", "13"), ("upgrade", "websocket"), ("connection", "Upgrade")];
        assert_refused(line, &answer, 426, "sec-websocket-version must be 13", &headers);
    }
    let padded = handshake_but("/echo", "Sec-WebSocket-Version", &["\t13 "]);
    assert_eq!(server.answer(&padded).await.status, 101);
}

#[tokio::test]
async fn extensions_are_declined_without_a_header() {
    let server = echo().await;
    let cases = [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover, x-webkit-deflate-frame",
        ";;=,,",
        "\"",
    ];
    for line in cases {
        let lines = format!("Sec-WebSocket-Extensions: {line}\r\nSec-WebSocket-Extensions: foo\r\n");
        let mut raw = Raw::connect(server.addr).await;
        let answer = raw.request(&handshake_with("/echo", &lines)).await;
        assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None), "{line}");
        // No extension was negotiated, so the bit of compression is invalid.
        raw.write(&frame(0xc1, b"compressed?")).await;
        assert_eq!(raw.read_frame().await.close().0, 1002, "{line}");
    }
}

#[tokio::test]
async fn subprotocols_may_come_on_many_lines_and_more_than_once() {
    let (server, _at_close) = mirror(|it| Route::new("/", it).subprotocols(&["v2", "v1"])).await;
    let cases: [(&[&str], Option<&str>); 5] = [
        (&["v1", "v1"], Some("v1")),
        (&["soap", "wamp", "v1, v2"], Some("v2")),
        (&["v1,,", ",v2"], Some("v2")),
        (&["v1 v2"], None),
        (&["v1;q=1"], None),
    ];
    for (lines, chosen) in cases {
        let answer = server.answer(&handshake_but("/", "Sec-WebSocket-Protocol", lines)).await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, chosen), "{lines:?}");
    }
}
