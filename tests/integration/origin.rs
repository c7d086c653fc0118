//! Which pages may connect (RFC 6455 section 10.2): statuses over real sockets.

use ws_core::{
    App, Config, StartError,
    config::{OriginPattern, OriginPolicy},
};

use crate::support::{Logs, Probe, Server, config, handshake, handshake_with, start_with};

async fn server(policy: OriginPolicy, allow: &[&str]) -> Server {
    let mut config = config();
    config.servers[0].origin.policy = policy;
    config.servers[0].origin.allow = allow.iter().map(|it| it.parse::<OriginPattern>().unwrap()).collect();
    let (probe, _) = Probe::new();
    start_with(App::without_registry().controller("/x", probe), config).await
}

/// The status for a handshake with these header lines; `Host` is `localhost`.
async fn status(server: &Server, path: &str, lines: &str) -> u16 {
    server.answer(&handshake_with(path, lines)).await.status
}

#[tokio::test]
async fn only_pages_of_the_same_host_may_connect() {
    let server = server(OriginPolicy::default(), &[]).await;
    for (lines, expected) in [
        ("", 101),
        ("Origin: http://localhost\r\n", 101),
        ("Origin: https://localhost:9501\r\n", 101),
        ("origin: HTTP://LOCALHOST.\r\n", 101),
        ("Origin: https://evil.com\r\n", 403),
        ("Origin: http://localhost.evil.com\r\n", 403),
        ("Origin: http://localhost@evil.com\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: \r\n", 403),
        ("Origin: http://localhost\r\nOrigin: https://evil.com\r\n", 403),
    ] {
        assert_eq!(status(&server, "/x", lines).await, expected, "{lines:?}");
    }
    let refused = server.answer(&handshake_with("/x", "Origin: https://evil.com\r\n")).await;
    assert_eq!(
        refused.json(),
        serde_json::json!({"code": 403, "msg": "pages of this origin may not connect"})
    );
}

#[tokio::test]
async fn the_host_of_an_absolute_target_counts() {
    let server = server(OriginPolicy::default(), &[]).await;
    let page = "Origin: https://chat.example\r\n";
    assert_eq!(status(&server, "http://chat.example/x", page).await, 101);
    assert_eq!(status(&server, "http://other.example/x", page).await, 403);
}

#[tokio::test]
async fn the_origin_is_checked_after_the_key_and_before_the_path() {
    let server = server(OriginPolicy::default(), &[]).await;
    let page = "Origin: https://evil.com\r\n";
    assert_eq!(status(&server, "/nowhere", page).await, 403, "no hint about existing paths");
    let bad_key = handshake_with("/x", page).replace("dGhlIHNhbXBsZSBub25jZQ==", "short");
    assert_eq!(server.answer(&bad_key).await.status, 400);
    let no_upgrade = format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{page}\r\n");
    assert_eq!(server.answer(&no_upgrade).await.status, 426, "not an upgrade");
}

#[tokio::test]
async fn listed_pages_may_connect_in_addition_or_exclusively() {
    let allow = ["https://app.example.com", "https://*.example.org", "null"];
    for (policy, same_host) in [(OriginPolicy::SameHost, 101), (OriginPolicy::Listed, 403)] {
        let server = server(policy, &allow).await;
        for (origin, expected) in [
            ("https://app.example.com", 101),
            ("https://app.example.com:8443", 403),
            ("http://app.example.com", 403),
            ("https://a.b.example.org", 101),
            ("https://example.org", 403),
            ("null", 101),
            ("http://localhost", same_host),
        ] {
            let line = format!("Origin: {origin}\r\n");
            assert_eq!(status(&server, "/x", &line).await, expected, "{policy:?} {origin}");
        }
        assert_eq!(status(&server, "/x", "").await, 101, "no browser");
    }
}

#[tokio::test]
async fn an_origin_that_is_not_a_site_is_compared_byte_for_byte_or_by_its_scheme() {
    let refused = server(OriginPolicy::default(), &[]).await;
    let allow = ["file://", "https://github.com/some/path", "http://127.0.0.1/", "host", "moz-extension://*"];
    let allowed = server(OriginPolicy::default(), &allow).await;
    for (origin, expected) in [
        ("file://", 101),
        ("https://github.com/some/path", 101),
        ("http://127.0.0.1/", 101),
        ("host", 101),
        ("moz-extension://5c8f9d1e-3b1a-4d0f", 101),
        ("file:///", 403),
        ("https://github.com", 403),
        ("http://127.0.0.1", 403),
        ("HOST", 403),
        ("chrome-extension://abcdefgh", 403),
    ] {
        let line = format!("Origin: {origin}\r\n");
        assert_eq!(status(&refused, "/x", &line).await, 403, "{origin}, by default");
        assert_eq!(status(&allowed, "/x", &line).await, expected, "{origin}");
    }
}

#[tokio::test]
async fn any_page_may_connect_with_that_policy() {
    let server = server(OriginPolicy::Any, &[]).await;
    for origin in ["https://evil.com", "null", "nonsense"] {
        assert_eq!(status(&server, "/x", &format!("Origin: {origin}\r\n")).await, 101, "{origin}");
    }
}

#[test]
fn the_policy_is_a_setting_of_the_file() {
    let origin = |lines: &str| {
        let text = format!("[[servers]]\nname = \"ws\"\n[servers.origin]\n{lines}\n");
        Config::from_toml_str(&text, "ws.toml").map(|mut config| config.servers.remove(0).origin)
    };
    assert_eq!(origin("").unwrap(), Config::default().servers[0].origin);
    assert_eq!(origin("").unwrap().policy, OriginPolicy::SameHost);
    let listed = origin("policy = \"listed\"\nallow = [\"https://a.b\", \"http://localhost:*\"]").unwrap();
    assert_eq!(listed.policy, OriginPolicy::Listed);
    assert_eq!(
        listed.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["https://a.b", "http://localhost:*"]
    );
    // In the syntax of an environment variable.
    assert_eq!(origin("policy = \"listed\"\nallow = \"https://a.b, http://localhost:*\"").unwrap(), listed);
    assert_eq!(origin("policy = \"any\"").unwrap().policy, OriginPolicy::Any);

    for (lines, parts) in [
        ("policy = \"some\"", &["line 4", "`same_host`, `listed`", "`any`"][..]),
        ("allow = [\"*\"]", &["line 4", "`*` is not an origin pattern", "https://app.example.com"]),
        ("allow = \"https://*a.b\"", &["line 4", "`https://*a.b` is not an origin pattern"]),
        ("allow = 1", &["line 4", "origins such as"]),
        ("allowed = []", &["line 4", "unknown field `allowed`", "`policy` or `allow`"]),
        ("policy = \"listed\"", &["server `ws`", "`origin.allow`"]),
        ("policy = \"any\"\nallow = [\"null\"]", &["server `ws`", "`origin.policy = \"any\"`"]),
    ] {
        let text = origin(lines).unwrap_err().to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} in: {text}");
        }
    }
}

#[tokio::test]
async fn a_policy_that_contradicts_itself_is_found_at_start() {
    let mut config = config();
    config.servers[0].origin.policy = OriginPolicy::Listed;
    let (probe, _) = Probe::new();
    let error: StartError =
        App::without_registry().controller("/x", probe).config(config).start().await.err().unwrap();
    assert!(error.to_string().contains("allows no page"), "{error}");
}

#[tokio::test]
async fn a_refused_origin_is_one_warning_with_the_values_and_the_setting() {
    let logs = Logs::start();
    let server = server(OriginPolicy::default(), &[]).await;
    let forged = format!("Origin: https://evil.com/\tWARN \"x\" {}\r\n", "y".repeat(1000));
    assert_eq!(status(&server, "/x", "Origin: https://app.example.com\r\n").await, 403);
    for lines in [&*forged, "Origin: https://other.example\r\n", "Origin: a\r\nOrigin: b\r\n"] {
        assert_eq!(status(&server, "/x", lines).await, 403);
    }
    let line = logs.line("because of its `Origin`");
    for part in [
        "WARN",
        "server=\"ws\"",
        "https://app.example.com",
        "localhost",
        "peer=127.0.0.1",
        "`allow` in [servers.origin]",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn values_of_a_peer_are_escaped_and_cut_in_the_warning() {
    let logs = Logs::start();
    let server = server(OriginPolicy::default(), &[]).await;
    let forged = format!("Origin: https://evil.com/\t\"x\"{}\r\n", "y".repeat(1000));
    assert_eq!(status(&server, "/x", &forged).await, 403);
    let line = logs.line("because of its `Origin`");
    assert!(!line.contains('\t') && line.len() < 1000, "{line}");
    assert!(line.contains("only `policy = \"any\"`"), "a value that cannot be listed: {line}");
}

#[tokio::test]
async fn a_refused_host_is_one_warning_of_its_own() {
    let logs = Logs::start();
    let server = server(OriginPolicy::default(), &[]).await;
    for lines in ["Host: localhost\r\nHost: evil.com\r\n", "", "Host: a b\r\n"] {
        let request = handshake("/x").replace("Host: localhost\r\n", lines);
        assert_eq!(server.answer(&request).await.status, 400, "{lines:?}");
    }
    assert_eq!(status(&server, "/x", "Origin: https://evil.com\r\n").await, 403);
    let line = logs.line("exactly one valid `Host`");
    assert!(line.contains("WARN") && line.contains("localhost") && line.contains("evil.com"), "{line}");
    logs.line("because of its `Origin`");
}
