//! The demo as its users meet it: the real binary in a process of its own, on ports that the system chose, driven over
//! HTTP and by a WebSocket client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what it expects"
)]

mod support;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Bytes, Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::{Demo, command, within};

#[tokio::test]
async fn a_login_gives_a_token_or_says_why_not() {
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

#[tokio::test]
async fn the_page_knows_the_port() {
    let demo = Demo::start(&[]).await;
    let answer = demo.get("/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].starts_with("text/html"));
    assert!(answer.text().contains(&format!(r#"WS_PORT = "{}""#, demo.ws.port())));
    assert!(!answer.text().contains("{{"), "every placeholder is filled");
}

#[tokio::test]
async fn p30_demo_greets_repeats_and_says_goodbye_by_name() {
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
async fn p29_demo_wants_a_good_token_with_or_without_its_scheme() {
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
async fn p29_an_open_check_that_is_off_lets_everyone_in_and_on_open_shows_them_out() {
    let demo = Demo::start(&[("JWT_OPEN", "false")]).await;
    let mut client = demo.connect("/wss/demo", None).await;
    assert_eq!(client.close().await, (1000, "非法请求".to_owned()));
}

#[tokio::test]
async fn a_secret_of_the_environment_outlives_a_start() {
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
    assert!(!answer.text().contains("cellar"), "{}", answer.text());
    demo.logs("the cellar is flooded").await;
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
async fn sigterm_closes_with_1001_and_ends_well() {
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
    assert_eq!(lines.len(), 4, "{table}");
    for (line, (path, controller, middleware)) in lines[1..].iter().zip([
        ("/wss/demo", "Demo", "websocket_auth"),
        ("/wss/echo", "Echo", "websocket_auth"),
        ("/wss/errors", "Errors", "fail_on_request"),
    ]) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[..4], ["ws", path, controller, middleware]);
    }
}

#[tokio::test]
async fn unknown_arguments_are_answered_with_the_usage() {
    for arguments in [&["rooutes"][..], &["routes", "all"]] {
        let output = within(command(&[]).args(arguments).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("usage: ws-demo"));
    }
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said_and_ends_it_with_1() {
    let demo = Demo::start(&[]).await;
    let taken = demo.ws.port().to_string();
    for (variable, value, said) in [
        ("WS__SERVERS__WS__PORT", taken.as_str(), taken.as_str()),
        ("WS__SERVERS__WS__PORT", "many", "WS__SERVERS__WS__PORT"),
        ("JWT_OPEN", "perhaps", "JWT_OPEN"),
        ("WS_DEMO_DB", ".", "the users table"),
    ] {
        let output = within(command(&[(variable, value)]).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said), "{variable}={value}: {stderr}");
    }
}
