//! Request targets in all their forms (RFC 9112 section 3.2, RFC 3986 section 3.3).
//!
//! A path is matched as it was sent: nothing is decoded or resolved before. So the literal part of
//! a route has only one form, and a proxy in front of the server always sees the same path.

use super::*;

async fn status(server: &Server, request: &[u8]) -> u16 {
    let mut raw = Raw::connect(server.addr).await;
    raw.write(request).await;
    raw.request("").await.status
}

#[tokio::test]
async fn a_path_is_matched_as_it_was_sent() {
    let server = echo().await;
    let cases = [
        "/x/../echo",
        "/./echo",
        "/echo/.",
        "//echo",
        "/echo//",
        "/x/%2e%2e/echo",
        "/%2e/echo",
        "/%2Fecho",
        "/%65cho",
        "/echo%00",
        "/echo%20",
        "/echo%zz",
        "/echo%",
        "/echo%3Fa",
        "/echo;a=b",
        "/%c0%af",
        "/%ed%a0%80",
        "/a|b^c{d}",
        "/é",
    ];
    for path in cases {
        let answer = server.answer(&handshake(path)).await;
        assert_refused(path, &answer, 404, &format!("no WebSocket route at {path}"), &[]);
    }
}

#[tokio::test]
async fn a_parameter_is_decoded_once_and_is_utf8() {
    let (server, _at_close) = mirror(|mirror| Route::new("/files/{name}", mirror)).await;
    let cases = [
        ("/files/..", ".."),
        ("/files/%2e%2e", ".."),
        ("/files/%2E%2E%2Fetc", "../etc"),
        ("/files/%252e", "%2e"),
        ("/files/a%00b", "a\0b"),
        ("/files/a%0d%0ab", "a\r\nb"),
        ("/files/%zz", "%zz"),
        ("/files/%2", "%2"),
        ("/files/%F0%9F%92%A9", "💩"),
    ];
    for (path, name) in cases {
        let mut raw = server.raw(path).await;
        let seen: serde_json::Value = serde_json::from_slice(&raw.read_frame().await.payload).unwrap();
        assert_eq!(seen["params"], json!([["name", name]]), "{path}");
    }
    for (name, path) in [
        ("overlong", "/files/%c0%af"),
        ("overlong in three", "/files/%e0%80%af"),
        ("a surrogate", "/files/%ed%a0%80"),
        ("cut", "/files/%e2%82"),
    ] {
        let answer = server.answer(&handshake(path)).await;
        assert_refused(name, &answer, 400, "a path parameter is not valid UTF-8", &[]);
    }
}

#[tokio::test]
async fn a_target_has_one_of_four_forms() {
    let server = echo().await;
    let cases = [
        ("origin", "/echo", 101),
        ("an empty query", "/echo?", 101),
        ("a query with reserved characters", "/echo?a?b=/%zz", 101),
        ("absolute", "http://localhost/echo", 101),
        ("absolute, its own scheme", "ws://localhost:9502/echo?a", 101),
        ("absolute without a path", "http://localhost", 404),
        ("authority", "localhost:9502", 404),
        ("asterisk", "*", 404),
        ("none of them", "echo", 404),
    ];
    for (name, target, expected) in cases {
        assert_eq!(server.answer(&handshake(target)).await.status, expected, "{name}");
    }
    let connect = handshake("localhost:9502").replace("GET", "CONNECT");
    assert_eq!(server.answer(&connect).await.status, 404, "this is not a proxy");
}

/// RFC 6455 section 3: a fragment MUST NOT be used. hyper drops it, and the path before it is
/// matched.
#[tokio::test]
async fn a_fragment_is_not_part_of_the_path() {
    let (server, _at_close) = mirror(|mirror| Route::new("/{*rest}", mirror)).await;
    let mut raw = server.raw("/a?b#/../secret").await;
    let seen: serde_json::Value = serde_json::from_slice(&raw.read_frame().await.payload).unwrap();
    assert_eq!((&seen["path"], &seen["query"]), (&json!("/a"), &json!("b")));
}

#[tokio::test]
async fn an_invalid_character_in_a_target_is_400() {
    let server = echo().await;
    for octet in (0..=b' ').chain([0x7f]) {
        for path in [&b"/ec"[..], b"/echo?"] {
            let request = [b"GET ", path, &[octet], b"ho HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
            assert_eq!(status(&server, &request).await, 400, "{octet:#x} in {:?}", path.escape_ascii());
        }
    }
    let latin1 = b"GET /\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(status(&server, latin1).await, 400, "no UTF-8");
}

#[tokio::test]
async fn a_long_path_is_414_and_one_beyond_the_head_431() {
    let server = echo().await;
    for (length, expected) in [(2048, 404), (2049, 414), (16 << 10, 431)] {
        let path = format!("/{}", "x".repeat(length - 1));
        assert_eq!(server.answer(&handshake(&path)).await.status, expected, "{length}");
    }
    let query = |length| format!("/echo?{}", "x".repeat(length));
    assert_eq!(server.answer(&handshake(&query(8 << 10))).await.status, 101);
    assert_eq!(server.answer(&handshake(&query((8 << 10) + 1))).await.status, 414);
}
