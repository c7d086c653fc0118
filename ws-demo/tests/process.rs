//! The demo as a process: the real binary, on ports that the system chose, driven over HTTP and by
//! a WebSocket client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod cluster;
mod disk;
mod support;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_tungstenite::tungstenite::{
    Bytes, Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::{Demo, Scratch, command, within};

#[tokio::test]
async fn a_login_returns_a_token_or_a_reason() {
    let demo = Demo::start(&[]).await;
    let answer = demo.login("jerry", "jerry-demo").await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["token"].is_string());
    for (account, password) in [("jerry", "lily-demo"), ("nobody", "jerry-demo")] {
        let answer = demo.login(account, password).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(40103)), "{account}");
        assert!(answer.json()["msg"].is_string());
    }
    for malformed in ["", "{", r#"{"account":"jerry"}"#, r#"{"account":1,"password":2}"#] {
        let answer = demo.post("/login", malformed).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(40001)), "{malformed}");
    }
    assert_eq!(demo.get("/healthz").await.status, 200);
}

#[cfg(unix)]
#[tokio::test]
async fn it_is_ready_until_it_drains_and_healthy_until_it_has_stopped() {
    let mut demo = Demo::start(&[("WS__DRAIN__GRACE", "1h")]).await;
    let answer = demo.get("/readyz").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "ready": true })));
    demo.terminate().await;
    demo.logs("draining").await;
    let answer = demo.get("/readyz").await;
    assert_eq!((answer.status, answer.json()), (503, json!({ "ready": false })));
    assert_eq!(demo.get("/healthz").await.status, 200);
    assert_eq!(demo.handshake("/wss/echo", None).await.status, 503);
    demo.terminate().await;
    assert!(within(demo.process.wait()).await.unwrap().success());
}

#[tokio::test]
async fn the_page_contains_the_port() {
    let demo = Demo::start(&[]).await;
    let answer = demo.get("/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].starts_with("text/html"));
    assert!(answer.text().contains(&format!(r#"name="ws-port" content="{}""#, demo.ws.port())));
    assert!(!answer.text().contains("{{"), "every placeholder is filled");
}

#[tokio::test]
async fn every_file_that_the_page_loads_exists_and_no_script_is_inline() {
    let demo = Demo::start(&[]).await;
    let mut paths = vec!["/".to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        let answer = demo.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        let content_type = match path.rsplit('.').next().unwrap() {
            "css" => "text/css",
            "js" => "text/javascript",
            _ => "text/html",
        };
        assert_eq!(answer.headers["content-type"], format!("{content_type}; charset=utf-8"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.contains("script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for found in loaded(answer.text()) {
            if !paths.contains(&found) {
                paths.push(found);
            }
        }
    }
    paths.sort();
    let known = ["/", "/chat.js", "/client.js", "/page.css", "/page.js"];
    assert!(known.iter().all(|path| paths.iter().any(|found| found == path)), "{paths:?}");
}

/// The paths of the scripts and styles that a file loads.
fn loaded(text: &str) -> Vec<String> {
    ["src=\"", "rel=\"stylesheet\" href=\"", "from \"./"]
        .iter()
        .flat_map(|start| text.split(start).skip(1))
        .map(|rest| format!("/{}", rest.split('"').next().unwrap()))
        .collect()
}

#[tokio::test]
async fn whoami_names_the_account_of_a_good_token() {
    let demo = Demo::start(&[]).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let answer = demo.get_with("/whoami", &[&bearer(&demo.token("lily").await)]).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "account": "lily" })));
    assert_eq!(answer.headers["cache-control"], "no-store");
    for (headers, code) in [(vec![], 40101), (vec![bearer("x.y.z")], 40102)] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = demo.get_with("/whoami", &headers).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(code)));
    }
}

#[tokio::test]
async fn the_lifetime_of_tokens_can_be_set() {
    let demo = Demo::start(&[("WS_DEMO_TOKEN_TTL", "90")]).await;
    let token = demo.token("jerry").await;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 90);
    let output = within(command(&[("WS_DEMO_TOKEN_TTL", "2h")]).output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("WS_DEMO_TOKEN_TTL is \"2h\""));
}

#[tokio::test]
async fn p30_demo_greets_repeats_and_closes_with_the_name() {
    let mut demo = Demo::start(&[]).await;
    for (account, uid) in [("jerry", 1), ("lily", 2)] {
        let token = demo.token(account).await;
        let mut client = demo.connect("/wss/demo", Some(&format!("Bearer {token}"))).await;
        assert_eq!(client.text().await, "Authorization Success");
        client.say("你好").await;
        assert_eq!(client.text().await, "Recv: 你好");
        let claims: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(claims["data"], json!({ "uid": uid }));
        assert!(claims["exp"].as_u64() > claims["iat"].as_u64(), "{claims}");
        client.say("nihao").await;
        let farewell = format!("{account} 已由服务端断开连接");
        assert_eq!(client.close().await, (1000, farewell.clone()));
        demo.logs(&farewell).await;
    }
}

#[tokio::test]
async fn p29_demo_requires_a_valid_token_with_or_without_its_scheme() {
    let demo = Demo::start(&[]).await;
    for (authorization, code) in
        [(None, 40101), (Some("Bearer "), 40101), (Some("Bearer x.y.z"), 40102), (Some("Basic eDp5"), 40102)]
    {
        let answer = demo.handshake("/wss/demo", authorization).await;
        assert_eq!(answer.status, 401, "{authorization:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert_eq!(answer.json()["code"], code, "{authorization:?}");
        assert!(answer.json()["msg"].is_string());
    }
    let token = demo.token("jerry").await;
    for scheme in ["", "Bearer ", "bearer ", "BEARER "] {
        let mut client = demo.connect("/wss/demo", Some(&format!("{scheme}{token}"))).await;
        assert_eq!(client.text().await, "Authorization Success", "{scheme:?}");
    }
}

#[tokio::test]
async fn p29_without_the_check_every_handshake_is_accepted_and_on_open_closes() {
    let demo = Demo::start(&[("JWT_OPEN", "false")]).await;
    let mut client = demo.connect("/wss/demo", None).await;
    assert_eq!(client.close().await, (1000, "非法请求".to_owned()));
}

#[tokio::test]
async fn p31_a_token_in_the_query_is_checked_like_one_in_the_header() {
    let demo = Demo::start(&[]).await;
    for (query, code) in [("", 40101), ("?token=", 40101), ("?name=x", 40101), ("?token=x.y.z", 40102)] {
        let answer = demo.handshake(&format!("/wss/demo{query}"), None).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(code)), "{query:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let token = demo.token("jerry").await;
    for query in [format!("?token={token}"), format!("?lang=en&token={}", token.replace('.', "%2E"))] {
        let mut client = demo.connect(&format!("/wss/demo{query}"), None).await;
        assert_eq!(client.text().await, "Authorization Success", "{query}");
    }
}

#[tokio::test]
async fn p31_a_browser_offers_its_token_as_a_subprotocol_beside_the_chosen_one() {
    let demo = Demo::start(&[]).await;
    let bearer = |token: &str| format!("bearer.{}", URL_SAFE_NO_PAD.encode(token));
    let token = demo.token("jerry").await;
    let offers = [format!("demo.v1, {}", bearer(&token)), format!("{}, demo.v1", bearer(&token))];
    for path in ["/wss/demo", "/wss/late"] {
        for offer in &offers {
            let mut client = demo.connect_with(path, &[("sec-websocket-protocol", offer)]).await;
            assert_eq!(client.subprotocol.as_deref(), Some("demo.v1"), "{path}: the token is never chosen");
            assert_eq!(client.text().await, "Authorization Success", "{path}");
        }
    }
    for (offer, code) in [
        ("demo.v1".to_owned(), 40101),
        (bearer(""), 40101),
        (bearer("x.y.z"), 40102),
        (format!("bearer.{token}"), 40102),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {offer}");
        let answer = demo.handshake_with("/wss/demo", Some(&line)).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(code)), "{offer}");
    }
}

#[tokio::test]
async fn pages_of_other_hosts_may_not_connect() {
    let demo = Demo::start(&[]).await;
    let page = format!("http://{}", demo.http);
    let mut client = demo.connect_with("/wss/echo", &[("origin", &page)]).await;
    client.say("hello").await;
    assert_eq!(client.text().await, "hello", "the demo's own page, on another port");
    for origin in ["https://evil.example", "null"] {
        let answer = demo.handshake_with("/wss/echo", Some(&format!("Origin: {origin}"))).await;
        assert_eq!(answer.status, 403, "{origin}");
    }
}

#[tokio::test]
async fn p31_the_header_takes_precedence_over_the_query() {
    let demo = Demo::start(&[]).await;
    let token = demo.token("jerry").await;
    for path in ["/wss/demo", "/wss/late"] {
        let mut client = demo.connect(&format!("{path}?token=x.y.z"), Some(&token)).await;
        assert_eq!(client.text().await, "Authorization Success", "{path}: a good header, a bad query");
        let mut client = demo.connect(&format!("{path}?token={token}"), Some("Bearer")).await;
        assert_eq!(
            client.text().await,
            "Authorization Success",
            "{path}: a header without a token is ignored"
        );
    }
    let answer = demo.handshake(&format!("/wss/demo?token={token}"), Some("Bearer x.y.z")).await;
    assert_eq!(answer.json()["code"], 40102);
    let mut client = demo.connect(&format!("/wss/late?token={token}"), Some("Bearer x.y.z")).await;
    assert_eq!(client.close().await.0, 4401);
}

#[tokio::test]
async fn p31_late_opens_every_connection_and_closes_without_a_valid_token() {
    // `JWT_OPEN` is a setting of the handshake and has no effect here.
    for setting in ["true", "false"] {
        let demo = Demo::start(&[("JWT_OPEN", setting)]).await;
        for (query, authorization, said) in [
            ("", None, "no token"),
            ("", Some("Bearer "), "no token"),
            ("?token=", None, "no token"),
            ("", Some("Bearer x.y.z"), "invalid"),
            ("?token=x.y.z", None, "invalid"),
        ] {
            let mut client = demo.connect(&format!("/wss/late{query}"), authorization).await;
            let (code, reason) = client.close().await;
            assert_eq!(code, 4401, "{query:?} {authorization:?}");
            assert!(reason.contains(said), "{query:?} {authorization:?}: {reason}");
        }
        let token = demo.token("jerry").await;
        for (query, authorization) in [
            (String::new(), Some(format!("Bearer {token}"))),
            (String::new(), Some(token.clone())),
            (format!("?token={token}"), None),
        ] {
            let mut client = demo.connect(&format!("/wss/late{query}"), authorization.as_deref()).await;
            assert_eq!(client.text().await, "Authorization Success", "{query:?} {authorization:?}");
            client.say("你好").await;
            assert_eq!(client.text().await, "Recv: 你好");
        }
    }
}

#[tokio::test]
async fn p31_late_does_not_handle_messages_without_a_valid_token() {
    let demo = Demo::start(&[]).await;
    let mut client = demo.connect("/wss/late", None).await;
    // The server may have closed the stream already, which is accepted.
    let _ = within(client.socket.send(Message::text("hello"))).await;
    assert_eq!(client.close().await.0, 4401, "no answer precedes it");
}

#[cfg(unix)]
#[tokio::test]
async fn p31_no_token_is_logged_at_any_level() {
    let mut demo = Demo::start(&[("RUST_LOG", "trace")]).await;
    let good = demo.token("jerry").await;
    for path in ["/wss/demo", "/wss/late"] {
        for authorization in [None, Some(good.as_str())] {
            let mut client = demo.connect(&format!("{path}?token={good}"), authorization).await;
            assert_eq!(client.text().await, "Authorization Success");
        }
        let offer = format!("demo.v1, bearer.{}", URL_SAFE_NO_PAD.encode(&good));
        let mut client = demo.connect_with(path, &[("sec-websocket-protocol", &offer)]).await;
        assert_eq!(client.text().await, "Authorization Success");
    }
    demo.handshake("/wss/demo?token=bad-and-private", None).await;
    assert_eq!(demo.connect("/wss/late?token=bad-and-private", None).await.close().await.0, 4401);
    demo.terminate().await;
    let log = demo.whole_log().await;
    assert!(log.contains("a token was refused"), "{log}");
    let signature = good.rsplit('.').next().unwrap();
    // The console of a debug build logs its own address, with `#token=`.
    for secret in [signature, "bad-and-private", "?token=", "bearer."] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[tokio::test]
async fn client_chats_until_the_server_closes() {
    let demo = Demo::start(&[]).await;
    let mut client = demo.client(&[]);
    let mut stdin = client.stdin.take().unwrap();
    within(stdin.write_all(b"hello\nnihao\n")).await.unwrap();
    // The input stays open, so only the server can end this.
    let output = within(client.wait_with_output()).await.unwrap();
    drop(stdin);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..2], ["Authorization Success", "Recv: hello"], "{stdout}");
    assert_eq!(serde_json::from_str::<Value>(lines[2]).unwrap()["data"], json!({ "uid": 1 }));
    assert_eq!(lines[3..], ["closed with 1000: jerry 已由服务端断开连接"], "{stdout}");
    assert!(output.status.success());
}

#[tokio::test]
async fn client_closes_with_1000_at_the_end_of_its_input() {
    let demo = Demo::start(&[]).await;
    let mut client = demo.client(&["--account", "lily", "--password", "lily-demo", "--path", "/wss/late"]);
    let mut stdin = client.stdin.take().unwrap();
    let mut stdout = BufReader::new(client.stdout.take().unwrap()).lines();
    within(stdin.write_all(b"hello\n")).await.unwrap();
    for expected in ["Authorization Success", "Recv: hello"] {
        assert_eq!(within(stdout.next_line()).await.unwrap().as_deref(), Some(expected));
    }
    drop(stdin);
    assert_eq!(within(stdout.next_line()).await.unwrap().as_deref(), Some("closed with 1000"));
    assert!(within(client.wait()).await.unwrap().success());
}

#[tokio::test]
async fn client_prints_the_reason_of_a_refusal() {
    let demo = Demo::start(&[]).await;
    for (arguments, status, body) in [
        (["--password", "wrong"], "401 Unauthorized", "40103"),
        (["--path", "/wss/errors?fail=teapot"], "418", "I am a teapot"),
        (["--path", "/wss/nowhere"], "404 Not Found", ""),
        (["--http", "https://127.0.0.1"], "expected http://host:port", ""),
    ] {
        let output = within(demo.client(&arguments).wait_with_output()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(status) && stderr.contains(body), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn tokens_of_a_configured_secret_survive_a_restart() {
    let secret = [("JWT_SECRET", "a secret of no less than 32 bytes")];
    let (one, other) = (Demo::start(&secret).await, Demo::start(&secret).await);
    let token = one.token("jerry").await;
    let mut client = other.connect("/wss/demo", Some(&token)).await;
    assert_eq!(client.text().await, "Authorization Success");
    let answer = Demo::start(&[]).await.handshake("/wss/demo", Some(&token)).await;
    assert_eq!(answer.json()["code"], 40102, "another start drew another secret");
}

#[tokio::test]
async fn p11_an_unknown_path_gets_the_answer_of_the_replaced_core_step() {
    let demo = Demo::start(&[]).await;
    let answer = demo.handshake("/wss/nowhere", None).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["description"], "Route Error");
    assert_eq!(answer.text(), "");
}

#[tokio::test]
async fn echo_returns_text_and_binary_up_to_16_mib() {
    let demo = Demo::start(&[]).await;
    let mut client = demo.connect("/wss/echo", None).await;
    let largest = vec![7; 16 << 20];
    for message in [
        Message::text(""),
        Message::text("世界 🌍"),
        Message::binary(vec![]),
        Message::binary(vec![0, 255, 13, 10]),
        Message::binary(largest.clone()),
    ] {
        client.send(message.clone()).await;
        assert!(client.message().await == message, "another message came back");
    }
    client.send(Message::binary([largest, vec![7]].concat())).await;
    assert_eq!(client.close().await.0, 1009);
}

#[tokio::test]
async fn echo_takes_a_message_of_65537_fragments() {
    const FRAGMENTS: usize = 65_537;
    let demo = Demo::start(&[]).await;
    let mut client = demo.connect("/wss/echo", None).await;
    for number in 0..FRAGMENTS {
        let kind = if number == 0 { Data::Binary } else { Data::Continue };
        let is_last = number + 1 == FRAGMENTS;
        let frame = Frame::message(Bytes::from_static(b"x"), OpCode::Data(kind), is_last);
        within(client.socket.feed(Message::Frame(frame))).await.unwrap();
    }
    within(client.socket.flush()).await.unwrap();
    assert!(client.message().await == Message::binary(vec![b'x'; FRAGMENTS]));
}

#[tokio::test]
async fn echo_serves_200_connections_at_once() {
    let demo = Demo::start(&[]).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(demo.connect("/wss/echo", None).await);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(&number.to_string()).await;
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.text().await, number.to_string());
    }
}

#[tokio::test]
async fn errors_in_the_handshake_are_refusals() {
    let mut demo = Demo::start(&[]).await;
    let answer = demo.handshake("/wss/errors?fail=teapot", None).await;
    assert_eq!((answer.status, &answer.json()["msg"]), (418, &json!("I am a teapot")));
    let answer = demo.handshake("/wss/errors?fail=unknown", None).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("database"), "{}", answer.text());
    demo.logs("the database is unreachable").await;
}

#[tokio::test]
async fn errors_on_a_connection_are_answered_or_end_it_and_no_other() {
    let demo = Demo::start(&[]).await;
    let mut bystander = demo.connect("/wss/errors", None).await;
    let mut client = demo.connect("/wss/errors", None).await;

    client.say("boom").await;
    let answer: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!((&answer["event"], &answer["data"]["code"]), (&json!("error"), &json!("boom")));
    client.say("still here").await;
    assert!(client.text().await.starts_with("still here"));

    client.say("panic").await;
    assert_eq!(client.close().await.0, 1011);
    bystander.say("me too").await;
    assert!(bystander.text().await.starts_with("me too"));
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_closes_with_1001_and_exits_with_0() {
    let mut demo = Demo::start(&[]).await;
    let mut client = demo.connect("/wss/echo", None).await;
    client.say("hello").await;
    assert_eq!(client.text().await, "hello");
    demo.terminate().await;
    assert_eq!(client.close().await.0, 1001);
    // The client's side of the closing handshake, up to the end of the stream.
    while within(client.socket.next()).await.is_some() {}
    assert!(within(demo.process.wait()).await.unwrap().success());
}

#[tokio::test]
async fn p28_routes_prints_the_table_and_nothing_else() {
    let output = within(command(&[]).arg("routes").output()).await.unwrap();
    assert!(output.status.success());
    let table = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    for (line, (path, controller, middleware)) in lines[1..].iter().zip([
        ("/wss/demo", "Demo", "websocket_auth"),
        ("/wss/echo", "Echo", "websocket_auth"),
        ("/wss/errors", "Errors", "fail_on_request"),
        ("/wss/late", "Late", "-"),
        ("/wss/rooms/{room}", "Room", "websocket_auth"),
    ]) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[..4], ["ws", path, controller, middleware]);
    }
    assert!(include_str!("../../docs/demo.md").contains(&table), "docs/demo.md should have\n{table}");
}

#[tokio::test]
async fn unknown_arguments_are_answered_with_the_usage() {
    for arguments in [&["rooutes"][..], &["routes", "all"], &["client", "--url"]] {
        let output = within(command(&[]).args(arguments).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("usage: ws-demo"));
    }
}

#[tokio::test]
async fn a_start_error_is_printed_and_exits_with_1() {
    let demo = Demo::start(&[]).await;
    let taken = demo.ws.port().to_string();
    for (variable, value, said) in [
        ("WS__SERVERS__WS__PORT", taken.as_str(), taken.as_str()),
        ("WS__SERVERS__WS__PORT", "many", "WS__SERVERS__WS__PORT"),
        ("JWT_OPEN", "perhaps", "JWT_OPEN"),
        ("JWT_SECRET", "short", "JWT_SECRET: the secret has 5 bytes"),
        ("WS_DEMO_DB", ".", "the users table"),
    ] {
        let output = within(command(&[(variable, value)]).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said), "{variable}={value}: {stderr}");
    }
}

/// Reads events until one of this name comes.
async fn event(client: &mut support::Client, name: &str) -> Value {
    loop {
        let event: Value = serde_json::from_str(&client.text().await).unwrap();
        if event["event"] == name {
            return event;
        }
    }
}

#[tokio::test]
async fn a_room_requires_a_token_and_a_name() {
    let demo = Demo::start(&[("JWT_OPEN", "false")]).await;
    assert_eq!(
        demo.handshake("/wss/rooms/lobby", None).await.status,
        401,
        "also where the middleware does not require one"
    );
    let demo = Demo::start(&[]).await;
    assert_eq!(demo.handshake("/wss/rooms/lobby", None).await.status, 401);
    let token = format!("Bearer {}", demo.token("jerry").await);
    let answer = demo.handshake(&format!("/wss/rooms/{}", "x".repeat(33)), Some(&token)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("`room`"), "{}", answer.text());
}

#[tokio::test]
async fn a_line_reaches_every_member_of_the_room_once() {
    let demo = Demo::start(&[]).await;
    let (jerry, lily) = (demo.token("jerry").await, demo.token("lily").await);
    let mut first = demo.connect("/wss/rooms/lobby", Some(&format!("Bearer {jerry}"))).await;
    assert_eq!(event(&mut first, "welcome").await["data"], json!({"room": "lobby", "members": ["jerry"]}));
    let mut second = demo.connect("/wss/rooms/lobby", Some(&format!("Bearer {lily}"))).await;
    assert_eq!(event(&mut second, "welcome").await["data"]["members"], json!(["jerry", "lily"]));
    assert_eq!(event(&mut first, "joined").await["data"], json!({"account": "lily"}));
    let mut elsewhere = demo.connect("/wss/rooms/attic", Some(&format!("Bearer {lily}"))).await;
    event(&mut elsewhere, "welcome").await;

    first.say(r#"{"event":"say","data":{"text":"hi"},"ref":7}"#).await;
    let said = json!({"id": 1, "from": "jerry", "text": "hi"});
    assert_eq!(event(&mut first, "said").await, json!({"event": "said", "data": said, "ref": 7}));
    assert_eq!(event(&mut second, "said").await, json!({"event": "said", "data": said}));

    let authorization = format!("Authorization: Bearer {lily}");
    let answer = demo.post_with("/rooms/lobby/say", &[&authorization], r#"{"text":"over HTTP"}"#).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"id": 2, "received_by": 2})));
    assert_eq!(event(&mut first, "said").await["data"]["text"], "over HTTP", "and `hi` came once");
    assert_eq!(event(&mut second, "said").await["data"]["from"], "lily");

    first.say(r#"{"event":"who","ref":8}"#).await;
    assert_eq!(event(&mut first, "who").await, json!({"event": "who", "data": ["jerry", "lily"], "ref": 8}));
    first.say(r#"{"event":"whoami"}"#).await;
    assert_eq!(event(&mut first, "whoami").await["data"], json!({"uid": 1, "account": "jerry"}));
    first.say(r#"{"event":"history","data":{"limit":1},"ref":9}"#).await;
    assert_eq!(event(&mut first, "history").await["data"]["text"], "over HTTP");
    assert_eq!(
        event(&mut first, "end").await,
        json!({"event": "end", "data": {"event": "history"}, "ref": 9})
    );
    drop(second);
    assert_eq!(event(&mut first, "left").await["data"], json!({"account": "lily"}));
    elsewhere.say(r#"{"event":"history"}"#).await;
    elsewhere.say(r#"{"event":"whoami"}"#).await;
    let next: Value = serde_json::from_str(&elsewhere.text().await).unwrap();
    assert_eq!(next["event"], "whoami", "nothing was said in the attic");
}

#[tokio::test]
async fn an_empty_and_a_too_long_text_are_typed_errors() {
    let demo = Demo::start(&[]).await;
    let token = demo.token("jerry").await;
    let mut client = demo.connect("/wss/rooms/lobby", Some(&format!("Bearer {token}"))).await;
    for (text, code) in [("  ", "empty"), (&*"x".repeat(501), "too_long")] {
        client.say(&json!({"event": "say", "data": {"text": text}, "ref": "r"}).to_string()).await;
        let error = event(&mut client, "error").await;
        assert_eq!((&error["data"]["code"], &error["ref"]), (&json!(code), &json!("r")));
        let answer = demo
            .post_with(
                "/rooms/lobby/say",
                &[&format!("Authorization: Bearer {token}")],
                &json!({"text": text}).to_string(),
            )
            .await;
        assert_eq!((answer.status, &answer.json()["code"]), (422, &json!(code)));
    }
    let authorization = format!("Authorization: Bearer {token}");
    assert_eq!(demo.post_with("/rooms/lobby/say", &[&authorization], "{}").await.status, 400);
}

#[tokio::test]
async fn an_http_token_is_read_like_that_of_a_handshake_and_only_from_the_header() {
    let demo = Demo::start(&[]).await;
    let hi = r#"{"text":"hi"}"#;
    for (headers, code) in [
        (&[][..], 40101),
        (&["Authorization: bearer"], 40101),
        (&["Authorization: Bearer x.y.z"], 40102),
        (&["Authorization: x.y.z"], 40102),
    ] {
        let answer = demo.post_with("/rooms/lobby/say", headers, hi).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(code)), "{headers:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{headers:?}");
        assert!(!answer.text().contains("?token="), "{}", answer.text());
    }
    let token = demo.token("jerry").await;
    for scheme in ["", "Bearer ", "bearer ", "BEARER "] {
        let authorization = format!("Authorization: {scheme}{token}");
        assert_eq!(demo.post_with("/rooms/lobby/say", &[&authorization], hi).await.status, 200, "{scheme:?}");
    }
}

#[tokio::test]
async fn the_token_of_a_removed_account_is_refused() {
    let scratch = Scratch::new("gone");
    let demo = Demo::start(&[("WS_DEMO_DB", &scratch.file())]).await;
    let token = demo.token("jerry").await;
    let table = rusqlite::Connection::open(scratch.file()).unwrap();
    table.execute("DELETE FROM users WHERE account = 'jerry'", []).unwrap();
    let authorization = format!("Authorization: Bearer {token}");
    let answer = demo.post_with("/rooms/lobby/say", &[&authorization], r#"{"text":"hi"}"#).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!(40301)));
    let mut client = demo.connect("/wss/rooms/lobby", Some(&format!("Bearer {token}"))).await;
    assert_eq!(client.close().await, (1011, "this account was removed".to_owned()));
}
