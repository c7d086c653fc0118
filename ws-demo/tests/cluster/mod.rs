//! Two demos and a Redis or NATS server: one chat over two processes, and the admin who disconnects
//! a user on either.
//!
//! Without `redis-server` these tests are skipped, and print so; with `WS_TESTS_NEED_REDIS=1` they
//! fail instead. For `nats-server` the variable is `WS_TESTS_NEED_NATS`.

mod redis;
mod server;

use std::time::Duration;

use serde_json::{Value, json};

use self::{redis::Redis, server::Server};
use crate::{
    event,
    support::{Answer, Client, Demo, within},
};

const SECRET: (&str, &str) = ("JWT_SECRET", "a secret of no less than 32 bytes");

/// Starts two demos that share a Redis and a secret, and waits until they know each other.
async fn two_demos(redis: &Redis) -> (Demo, Demo) {
    two_demos_over("redis", &redis.url()).await
}

/// Starts two demos that share this broker and a secret, and waits until they know each other.
async fn two_demos_over(kind: &str, url: &str) -> (Demo, Demo) {
    let settings = [SECRET, ("WS__CLUSTER__KIND", kind), ("WS__CLUSTER__URL", url)];
    let (one, other) = tokio::join!(Demo::start(&settings), Demo::start(&settings));
    for demo in [&one, &other] {
        readyz(demo, json!({"ready": true, "cluster": "up", "nodes": 2})).await;
    }
    (one, other)
}

/// Waits until `/readyz` answers with this body.
async fn readyz(demo: &Demo, expected: Value) -> Answer {
    within(async {
        loop {
            let answer = demo.get("/readyz").await;
            if answer.json() == expected {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Enters a room. The welcome is read.
async fn enter(demo: &Demo, account: &str, room: &str) -> Client {
    let token = demo.token(account).await;
    let mut client = demo.connect(&format!("/wss/rooms/{room}"), Some(&token)).await;
    event(&mut client, "welcome").await;
    client
}

/// The header of a request of this account.
async fn authorization(demo: &Demo, account: &str) -> String {
    format!("Authorization: Bearer {}", demo.token(account).await)
}

/// Says something in a room over HTTP.
async fn say(demo: &Demo, account: &str, room: &str, text: &str) -> Answer {
    let authorization = authorization(demo, account).await;
    let body = json!({ "text": text }).to_string();
    demo.post_with(&format!("/rooms/{room}/say"), &[&authorization], &body).await
}

#[tokio::test]
async fn messages_of_one_process_reach_the_other() {
    let Some(redis) = Redis::start() else { return };
    chat(two_demos(&redis).await).await;
}

#[tokio::test]
async fn messages_of_one_process_reach_the_other_over_nats() {
    let Some(nats) = Server::nats() else { return };
    let url = format!("nats://127.0.0.1:{}", nats.port());
    chat(two_demos_over("nats", &url).await).await;
}

/// Checks that jerry on one demo and lily on the other chat.
async fn chat((one, other): (Demo, Demo)) {
    let mut jerry = enter(&one, "jerry", "lobby").await;
    let mut lily = enter(&other, "lily", "lobby").await;
    assert_eq!(event(&mut jerry, "joined").await["data"], json!({"account": "lily"}));
    for (from, to, account) in [(0, 1, "jerry"), (1, 0, "lily")] {
        let clients = [&mut jerry, &mut lily];
        clients[from].say(r#"{"event":"say","data":{"text":"hi"},"ref":7}"#).await;
        let said = json!({"id": 1, "from": account, "text": "hi"});
        let reply = event(clients[from], "said").await;
        assert_eq!(reply, json!({"event": "said", "data": said, "ref": 7}));
        assert_eq!(event(clients[to], "said").await, json!({"event": "said", "data": said}));
    }
    drop(jerry);
    assert_eq!(event(&mut lily, "left").await["data"], json!({"account": "jerry"}));
}

/// Asks a client's process for the accounts in the room.
async fn who(client: &mut Client) -> Value {
    client.say(r#"{"event":"who"}"#).await;
    event(client, "who").await["data"].take()
}

#[tokio::test]
async fn who_lists_the_accounts_of_both_processes_and_those_of_a_killed_one_leave_within_12_s() {
    let Some(redis) = Redis::start() else { return };
    let (one, mut other) = two_demos(&redis).await;
    let mut jerry = enter(&one, "jerry", "lobby").await;
    jerry.say(r#"{"event":"online","ref":"page"}"#).await;
    assert_eq!(event(&mut jerry, "online").await["data"], json!(["jerry"]));
    let mut lily = enter(&other, "lily", "lobby").await;
    assert_eq!(event(&mut jerry, "online").await["data"], json!(["jerry", "lily"]));
    for client in [&mut jerry, &mut lily] {
        assert_eq!(who(client).await, json!(["jerry", "lily"]));
    }
    other.kill().await;
    let killed = std::time::Instant::now();
    let left = event(&mut jerry, "online").await;
    assert_eq!((&left["data"], &left["ref"]), (&json!(["jerry"]), &json!("page")));
    assert!(killed.elapsed() < Duration::from_secs(12), "{:?}", killed.elapsed());
    assert_eq!(who(&mut jerry).await, json!(["jerry"]));
    readyz(&one, json!({"ready": true, "cluster": "up", "nodes": 1})).await;
    let began = std::time::Instant::now();
    assert_eq!(who(&mut jerry).await, json!(["jerry"]));
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "it does not wait for the other process: {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_line_over_http_reaches_the_members_on_both_processes() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = two_demos(&redis).await;
    let mut lily = enter(&other, "lily", "lobby").await;
    let answer = say(&one, "jerry", "lobby", "from the other process").await;
    let elsewhere = json!({"id": 1, "received_by": 0, "members": 1, "other_nodes": "accepted"});
    assert_eq!((answer.status, answer.json()), (200, elsewhere));
    assert_eq!(event(&mut lily, "said").await["data"]["text"], "from the other process");

    let mut jerry = enter(&one, "jerry", "lobby").await;
    let answer = say(&other, "lily", "lobby", "from either").await;
    let both = json!({"id": 1, "received_by": 1, "members": 2, "other_nodes": "accepted"});
    assert_eq!((answer.status, answer.json()), (200, both));
    for client in [&mut jerry, &mut lily] {
        assert_eq!(event(client, "said").await["data"]["text"], "from either");
    }
    let answer = say(&one, "jerry", "attic", "to nobody").await;
    let nobody = json!({"id": 2, "received_by": 0, "members": 0, "other_nodes": "accepted"});
    assert_eq!((answer.status, answer.json()), (200, nobody));
}

#[tokio::test]
async fn the_admin_disconnects_a_user_on_the_other_process_with_4403() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = two_demos(&redis).await;
    let mut bystander = enter(&other, "jerry", "lobby").await;
    // After this welcome, the subscription of the user is confirmed as well.
    let mut clients = vec![enter(&other, "lily", "lobby").await];
    for path in ["/wss/demo", "/wss/late"] {
        let mut client = other.connect(path, Some(&other.token("lily").await)).await;
        assert_eq!(client.text().await, "Authorization Success");
        clients.push(client);
    }
    let answer = one.delete("/users/lily", &[&authorization(&one, "admin").await]).await;
    let closed = json!({"closed_here": 0, "other_nodes": "queued"});
    assert_eq!((answer.status, answer.json()), (200, closed));
    for client in &mut clients {
        assert_eq!(client.close().await, (4403, "disconnected by the admin".to_owned()));
    }
    assert_eq!(event(&mut bystander, "left").await["data"], json!({"account": "lily"}));
    bystander.say(r#"{"event":"whoami"}"#).await;
    assert_eq!(event(&mut bystander, "whoami").await["data"]["account"], "jerry");
    // The account and its tokens stay valid.
    enter(&other, "lily", "lobby").await;
}

#[tokio::test]
async fn only_the_admin_disconnects_users() {
    let demo = Demo::start(&[]).await;
    let mut lily = enter(&demo, "lily", "lobby").await;
    let (jerry, admin) = (authorization(&demo, "jerry").await, authorization(&demo, "admin").await);
    for (headers, path, status, code) in [
        (&[][..], "/users/lily", 401, 40101),
        (&["Authorization: Bearer x.y.z"], "/users/lily", 401, 40102),
        (&[&*jerry], "/users/lily", 403, 40302),
        (&[&*jerry], "/users/nobody", 403, 40302),
        (&[&*admin], "/users/nobody", 404, 40401),
    ] {
        let answer = demo.delete(path, headers).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{path} {headers:?}");
    }
    lily.say(r#"{"event":"whoami"}"#).await;
    assert_eq!(event(&mut lily, "whoami").await["data"]["account"], "lily");
    for closed in [1, 0] {
        let answer = demo.delete("/users/lily", &[&admin]).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "closed_here": closed })));
    }
    assert_eq!(lily.close().await.0, 4403);
}

#[tokio::test]
async fn a_token_of_a_process_with_another_secret_is_refused_and_the_answer_names_the_secret() {
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    let mut one = Demo::start(&[("WS__CLUSTER__URL", &url)]).await;
    let other = Demo::start(&[SECRET, ("WS__CLUSTER__URL", &url)]).await;
    let token = one.token("jerry").await;
    let answer = other.handshake("/wss/demo", Some(&token)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(40102)));
    assert!(answer.text().contains("JWT_SECRET"), "{}", answer.text());
    let (code, reason) = other.connect("/wss/late", Some(&token)).await.close().await;
    assert!(code == 4401 && reason.ends_with("JWT_SECRET"), "{code} {reason}");
    one.logs("JWT_SECRET is not set").await;
}

#[tokio::test]
async fn it_is_not_ready_until_the_broker_is_there_and_an_outage_changes_nothing_on_this_process() {
    if !redis::is_installed() {
        return;
    }
    let port = redis::free_port();
    let url = redis::url(port);
    let demo = Demo::start(&[SECRET, ("WS__CLUSTER__URL", &url)]).await;
    let answer = readyz(&demo, json!({"ready": false, "cluster": "joining", "nodes": 1})).await;
    assert_eq!(answer.status, 503);
    assert_eq!(demo.get("/healthz").await.status, 200);
    let redis = Redis::start_on(port);
    let answer = readyz(&demo, json!({"ready": true, "cluster": "up", "nodes": 1})).await;
    assert_eq!(answer.status, 200);

    let mut lily = enter(&demo, "lily", "lobby").await;
    drop(redis);
    let answer = readyz(&demo, json!({"ready": true, "cluster": "down", "nodes": 1})).await;
    assert_eq!(answer.status, 200);
    let answer = say(&demo, "jerry", "lobby", "still here").await;
    let alone = json!({"id": 1, "received_by": 1, "members": null, "other_nodes": "unreachable"});
    assert_eq!((answer.status, answer.json()), (200, alone));
    assert_eq!(event(&mut lily, "said").await["data"]["text"], "still here");
    let mut jerry = enter(&demo, "jerry", "lobby").await;
    let answer = demo.delete("/users/lily", &[&authorization(&demo, "admin").await]).await;
    let alone = json!({"closed_here": 1, "other_nodes": "unreachable"});
    assert_eq!((answer.status, answer.json()), (503, alone));
    assert_eq!(event(&mut jerry, "left").await["data"], json!({"account": "lily"}));
    assert_eq!(event(&mut lily, "joined").await["data"], json!({"account": "jerry"}));
    assert_eq!(lily.close().await.0, 4403);
}
