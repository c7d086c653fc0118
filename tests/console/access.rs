use serde_json::json;

use crate::support::Program;

const DATA: &[(&str, &str)] = &[
    ("GET", "/api/model"),
    ("GET", "/api/feed?topic=live"),
    ("GET", "/api/feed?topic=log"),
    ("GET", "/asyncapi.json"),
    ("GET", "/client.js"),
    ("GET", "/client.d.ts"),
    ("POST", "/api/push"),
    ("POST", "/api/disconnect"),
    ("GET", "/nowhere"),
];

#[tokio::test]
async fn every_response_has_the_protecting_headers_and_none_allows_another_origin() {
    let program = Program::start().await;
    let evil = [("Host", "evil.example")];
    for answer in [
        program.send("GET", "/", &[], "").await,
        program.send("GET", "/page.js", &[], "").await,
        program.send("GET", "/style.css", &[], "").await,
        program.get("/api/model").await,
        program.get("/nowhere").await,
        program.send("GET", "/api/model", &[], "").await,
        program.send("GET", "/", &evil, "").await,
        program.send("OPTIONS", "/api/push", &[("Origin", "http://evil.example")], "").await,
    ] {
        let policy = answer.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self' ws: wss:",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(!answer.head.contains("access-control-"), "{}", answer.head);
    }
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_for_every_page() {
    let program = Program::start().await;
    let token = format!("Bearer {}", program.token);
    let port = program.address.port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        "localhost:1".to_owned(),
    ] {
        for path in ["/", "/page.js", "/api/model"] {
            let answer = program.send("GET", path, &[("Host", &host), ("Authorization", &token)], "").await;
            assert_eq!(answer.status, 421, "{host} {path}");
        }
    }
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), format!("127.0.0.1:{port}")] {
        let answer =
            program.send("GET", "/api/model", &[("Host", &host), ("Authorization", &token)], "").await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_even_with_the_token() {
    let program = Program::start().await;
    let token = format!("Bearer {}", program.token);
    let own = format!("http://{}", program.address);
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", &own.replace("http:", "https:")] {
        for (method, path) in DATA.iter().chain(&[("GET", "/")]) {
            let answer =
                program.send(method, path, &[("Origin", origin), ("Authorization", &token)], "").await;
            assert_eq!(answer.status, 403, "{origin} {path}");
        }
    }
    let answer = program.send("GET", "/api/model", &[("Origin", &own), ("Authorization", &token)], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn data_feeds_and_actions_need_the_token_and_the_files_of_the_page_do_not() {
    let program = Program::start().await;
    let other = format!("Bearer {}", Program::start().await.token);
    for (method, path) in DATA {
        for headers in [&[][..], &[("Authorization", "Bearer ")], &[("Authorization", &*other)]] {
            let answer = program.send(method, path, headers, "").await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(!answer.body.contains("rooms"), "{path}");
        }
        let in_query = format!("{path}{}token={}", if path.contains('?') { '&' } else { '?' }, program.token);
        assert_eq!(
            program.send(method, &in_query, &[], "").await.status,
            401,
            "the token is not read from the query"
        );
    }
    for (path, kind) in [("/", "text/html"), ("/page.js", "text/javascript"), ("/style.css", "text/css")] {
        let answer = program.send("GET", path, &[], "").await;
        assert!(answer.status == 200 && answer.header("content-type").unwrap().starts_with(kind), "{path}");
        assert!(!answer.body.contains(&program.token));
    }
}

#[tokio::test]
async fn the_size_of_a_request_is_limited() {
    let program = Program::start().await;
    let answer = program.post("/api/push", &json!({ "text": "x".repeat(2 << 20) })).await;
    assert_eq!(answer.status, 413);
    let mut feeds = Vec::new();
    for _ in 0..16 {
        let mut feed = program.feed("topic=count").await;
        feed.next().await.unwrap();
        feeds.push(feed);
    }
    assert_eq!(program.get("/api/feed?topic=count").await.status, 503);
}
