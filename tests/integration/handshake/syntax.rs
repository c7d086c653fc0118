//! Requests that are not HTTP/1.1, and those that two servers in a row might read differently (RFC
//! 9112 sections 2.2, 5 and 6).
//!
//! Each of these ends the stream, because the start of the next request is ambiguous.

use super::*;

/// A hidden request after another one. If it is answered, request smuggling is possible.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Returns all bytes that answer this request and a hidden one, up to the end of the stream.
async fn all(server: &Server, request: &[u8]) -> String {
    let mut raw = Raw::connect(server.addr).await;
    raw.write(&[request, HIDDEN.as_bytes()].concat()).await;
    String::from_utf8(raw.read_to_end().await).unwrap()
}

/// Checks that there is one 400, and then the end.
async fn check(server: &Server, name: &str, request: &[u8]) {
    let answers = all(server, request).await;
    assert!(answers.starts_with("HTTP/1.1 400 "), "{name}: {answers}");
    assert_eq!(answers.matches("HTTP/1.").count(), 1, "{name}: {answers}");
}

async fn check_line(server: &Server, name: &str, line: &[u8]) {
    let request = handshake("/echo");
    let (head, end) = request.as_bytes().split_at(request.len() - 2);
    check(server, name, &[head, line, end].concat()).await;
}

#[tokio::test]
async fn an_invalid_header_line_is_400() {
    let server = echo().await;
    let cases: [(&str, &[u8]); 10] = [
        ("folded", b"X-A: 1\r\n 2\r\n"),
        ("folded with a tab", b"X-A: 1\r\n\t2\r\n"),
        ("a bare CR", b"X-A: 1\rX-B: 2\r\n"),
        ("two CR", b"X-A: 1\r\r\n"),
        ("a space in a name", b"X A: 1\r\n"),
        ("a space before the colon", b"X-A : 1\r\n"),
        ("no name", b": 1\r\n"),
        ("no colon", b"X-A\r\n"),
        ("a name beyond ASCII", b"X-\xe9: 1\r\n"),
        ("NUL in a name", b"X\0A: 1\r\n"),
    ];
    for (name, line) in cases {
        check_line(&server, name, line).await;
    }
    // A value may contain tabs and non-ASCII bytes, but no other control characters.
    for octet in (0..b' ').filter(|octet| !b"\t\r\n".contains(octet)).chain([0x7f]) {
        check_line(&server, &format!("{octet:#x}"), &[b"X-A: 1", &[octet][..], b"2\r\n"].concat()).await;
    }
    let request = handshake("/echo");
    let (head, end) = request.as_bytes().split_at(request.len() - 2);
    let mut raw = Raw::connect(server.addr).await;
    raw.write(&[head, b"X-A: 1\t\xe9\r\n", end].concat()).await;
    assert_eq!(raw.request("").await.status, 101);
}

#[tokio::test]
async fn an_invalid_request_line_is_400() {
    let server = echo().await;
    let cases = [
        ("two spaces", "GET  /echo HTTP/1.1"),
        ("a space too many", "GET /echo HTTP/1.1 "),
        ("a space in the path", "GET /ec ho HTTP/1.1"),
        ("no version", "GET /echo"),
        ("a version in small letters", "GET /echo http/1.1"),
        ("HTTP/2", "GET /echo HTTP/2.0"),
        ("HTTP/1.2", "GET /echo HTTP/1.2"),
        ("a bare CR", "GET /echo\r HTTP/1.1"),
        ("a method that is not a token", "G@T /echo HTTP/1.1"),
        ("an unexpected PROXY header", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2"),
    ];
    for (name, line) in cases {
        check(&server, name, handshake("/echo").replace("GET /echo HTTP/1.1", line).as_bytes()).await;
    }
    let tls = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0; 32]].concat();
    check(&server, "TLS", &tls).await;
}

/// RFC 9112 section 2.2 allows a server to accept a bare LF as the end of a line, and empty lines
/// before the first one.
#[tokio::test]
async fn line_ends_without_cr_and_empty_lines_before_a_request_are_tolerated() {
    let server = echo().await;
    for request in [handshake("/echo").replace("\r\n", "\n"), "\r\n\r\n".to_owned() + &handshake("/echo")] {
        assert_eq!(server.answer(&request).await.status, 101, "{request:?}");
    }
}

#[tokio::test]
async fn a_length_that_can_be_read_in_two_ways_is_400_and_ends_the_stream() {
    let server = echo().await;
    let cases = [
        ("both, length first", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"),
        ("both, length last", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"),
        ("two lengths", "Content-Length: 6\r\nContent-Length: 5\r\n"),
        ("a list", "Content-Length: 6, 6\r\n"),
        ("a sign", "Content-Length: +6\r\n"),
        ("a negative length", "Content-Length: -6\r\n"),
        ("hexadecimal", "Content-Length: 0x6\r\n"),
        ("more than the body", "Content-Length: 99999999999999999999\r\n"),
        ("a space before the colon", "Content-Length : 6\r\n"),
        ("an unknown coding", "Transfer-Encoding: identity\r\n"),
        ("nearly chunked", "Transfer-Encoding: xchunked\r\n"),
        ("chunked, but not last", "Transfer-Encoding: chunked, identity\r\n"),
        ("a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
    ];
    for (name, lines) in cases {
        check(&server, name, (handshake_with("/echo", lines) + "0\r\n\r\nG").as_bytes()).await;
    }
}

#[tokio::test]
async fn an_expectation_does_not_make_it_a_handshake_with_a_body() {
    let server = echo().await;
    let lines = "Expect: 100-continue\r\nContent-Length: 3\r\n";
    let answer = server.answer(&handshake_with("/echo", lines)).await;
    assert_refused("100-continue", &answer, 400, "a WebSocket handshake has no body", &[]);
}

#[tokio::test]
async fn bytes_pipelined_after_the_handshake_belong_to_the_connection() {
    let server = echo().await;
    let behind: Vec<u8> = (0..100).flat_map(|n| frame(0x81, format!("early {n}").as_bytes())).collect();
    let mut raw = Raw::connect(server.addr).await;
    // Two failing handshakes, a correct one, and its messages, cut inside a frame: all in one
    // write.
    let requests = handshake("/nowhere") + &get("/echo") + &handshake("/echo");
    raw.write(&[requests.as_bytes(), &behind[..behind.len() - 3]].concat()).await;
    for status in [404, 426, 101] {
        assert_eq!(raw.request("").await.status, status);
    }
    raw.write(&behind[behind.len() - 3..]).await;
    for n in 0..100 {
        assert_eq!(raw.read_frame().await.payload, format!("early {n}").as_bytes());
    }
}
