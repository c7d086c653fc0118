use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use crate::support::Program;

#[tokio::test]
async fn the_model_has_the_routes_with_their_middleware_limits_and_places() {
    let program = Program::start().await;
    let model = program.get("/api/model").await.json();
    let route = &model["routes"][0];
    assert_eq!((&route["path"], &route["controller"]), (&json!("/rooms/{room}"), &json!("Rooms")));
    let middleware = &route["middleware"][0];
    assert_eq!((&middleware["name"], &middleware["is_server_wide"]), (&json!("outer"), &json!(true)));
    assert!(route["location"].as_str().unwrap().contains("console/support.rs:"), "{route}");
    let own: Vec<&Value> =
        route["limits"].as_array().unwrap().iter().filter(|it| it["is_own"] == true).collect();
    assert_eq!(own, [&json!({ "name": "message", "value": "1000", "is_own": true })]);
    assert_eq!(model["channels"][route["channel"].as_u64().unwrap() as usize]["address"], "/rooms/{room}");
    let address = program.running.local_addr("ws").unwrap().to_string();
    assert_eq!(
        (&model["servers"][0]["address"], &model["servers"][0]["refuses_console"]),
        (&json!(address), &json!(false))
    );
    assert!(model["gaps"][0]["what"].as_str().unwrap().contains("Rooms"));
    assert_eq!(program.get("/asyncapi.json").await.json()["asyncapi"], "3.0.0");
}

#[tokio::test]
async fn the_live_feed_shows_connections_and_rooms_and_their_changes() {
    let program = Program::start().await;
    let mut live = program.feed("topic=live").await;
    assert_eq!(live.next().await.unwrap()["count"], 0);
    let room = "<script>alert(1)</script>";
    let mut client = program.connect("/rooms/%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    client.send(Message::text("hi")).await.unwrap();
    client.next().await.unwrap().unwrap();
    let value = live.until(|it| it["connections"][0]["sent"] == 1).await;
    let shown = &value["connections"][0];
    assert_eq!(
        (&shown["user"], &shown["rooms"], &shown["received"]),
        (&json!("jerry"), &json!([room]), &json!(1))
    );
    let id = &shown["id"];
    assert_eq!(value["rooms"], json!([{ "controller": "Rooms", "name": room, "members": 1, "ids": [id] }]));
    assert_eq!((&value["journal"][0]["kind"], &value["journal"][0]["id"]), (&json!("opened"), id));

    let close = CloseFrame { code: 4001.into(), reason: "enough".into() };
    client.close(Some(close)).await.unwrap();
    let value = live.until(|it| it["count"] == 0).await;
    let ended = &value["journal"][0];
    assert_eq!((&ended["kind"], &ended["code"]), (&json!("closed"), &json!(4001)));
    assert_eq!(ended["reason"], "closed by the client: enough");

    let address = program.running.local_addr("ws").unwrap();
    let refused = tokio_tungstenite::connect_async(format!("ws://{address}/room/x?token=secret")).await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = refused else { panic!("{refused:?}") };
    let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
    assert_eq!(body["nearest"], "/rooms/{room}", "debug builds name the nearest route");
    let value = live.until(|it| it["journal"][0]["kind"] == "refused").await;
    let refusal = &value["journal"][0];
    assert_eq!((&refusal["status"], &refusal["path"]), (&json!(404), &json!("/room/x")), "without the query");
}

#[tokio::test]
async fn the_messages_of_a_connection_are_recorded_while_it_is_watched() {
    let program = Program::start().await;
    let mut client = program.connect("/rooms/a").await;
    client.send(Message::text("before")).await.unwrap();
    client.next().await.unwrap().unwrap();
    let mut live = program.feed("topic=live").await;
    let id = live.until(|it| it["count"] == 1).await["connections"][0]["id"].as_str().unwrap().to_owned();
    let mut traffic = program.feed(&format!("topic=traffic&id={id}")).await;
    assert_eq!(traffic.next().await.unwrap()["messages"], json!([]), "nothing is recorded before");

    client.send(Message::text("x".repeat(990))).await.unwrap();
    client.send(Message::binary(vec![0xff, 1])).await.unwrap();
    client.next().await.unwrap().unwrap();
    client.next().await.unwrap().unwrap();
    client.close(None).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let value = traffic.next().await.unwrap();
        for it in value["messages"].as_array().unwrap() {
            seen.push((it["direction"].clone(), it["kind"].clone(), it["size"].clone(), it["text"].clone()));
        }
        if value["has_ended"] == true {
            break;
        }
    }
    let expected = [
        (json!("in"), json!("text"), json!(990), json!("x".repeat(990))),
        (json!("out"), json!("text"), json!(999), json!(format!("you said {}", "x".repeat(990)))),
        (json!("in"), json!("binary"), json!(2), json!("ff 01")),
        (json!("out"), json!("text"), json!(14), json!("you said bytes")),
        (json!("in"), json!("close"), json!(0), json!("")),
        (json!("out"), json!("close"), json!(0), json!("")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(program.get(&format!("/api/feed?topic=traffic&id={id}")).await.status, 404, "it has ended");
}

#[tokio::test]
async fn its_user_pushes_to_a_connection_and_to_a_room_and_closes_a_connection() {
    let program = Program::start().await;
    let mut client = program.connect("/rooms/a").await;
    let mut live = program.feed("topic=live").await;
    let id = live.until(|it| it["rooms"][0]["members"] == 1).await["connections"][0]["id"].clone();

    let sent = program.post("/api/push", &json!({ "id": id, "event": "hello", "data": { "a": 1 } })).await;
    assert_eq!((sent.status, &sent.json()["sent"]), (200, &json!(1)));
    let sent =
        program.post("/api/push", &json!({ "controller": "Rooms", "room": "a", "text": "plain" })).await;
    assert_eq!((sent.status, &sent.json()["sent"]), (200, &json!(1)));
    let first = client.next().await.unwrap().unwrap();
    assert_eq!(first.to_text().unwrap(), r#"{"event":"hello","data":{"a":1}}"#);
    assert_eq!(client.next().await.unwrap().unwrap().to_text().unwrap(), "plain");

    for (body, expected) in [
        (json!({ "id": id }), "expected `code`"),
        (json!({ "id": id, "code": 1005 }), "expected `code`"),
        (json!({ "code": 4000 }), "expected `id`"),
        (json!({ "id": "x", "code": 4000 }), "not a connection id"),
        (json!({ "id": "00000000-1", "code": 4000 }), "the connection has ended"),
    ] {
        let answer = program.post("/api/disconnect", &body).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && error.contains(expected), "{body}: {error}");
    }
    assert_eq!(
        program.post("/api/push", &json!({ "controller": "No", "room": "a", "text": "" })).await.status,
        400
    );
    assert_eq!(program.post("/api/push", &json!({ "id": id })).await.status, 400);

    let closed = program.post("/api/disconnect", &json!({ "id": id, "code": 4003, "reason": "bye" })).await;
    assert_eq!(closed.status, 200);
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
        panic!("expected a close frame")
    };
    assert_eq!((u16::from(frame.code), &*frame.reason), (4003, "bye"));
}

#[tokio::test]
async fn counters_and_the_cluster_have_feeds() {
    let program = Program::start().await;
    let _client = program.connect("/rooms/a").await;
    let mut metrics = program.feed("topic=metrics").await;
    let value = metrics.until(|it| it["stats"]["servers"][0]["routes"][0]["connections"] == 1).await;
    assert_eq!(value["stats"]["servers"][0]["routes"][0]["path"], "/rooms/{room}");
    let cluster = program.feed("topic=cluster").await.next().await.unwrap();
    assert_eq!((&cluster["state"], &cluster["nodes"]), (&json!("alone"), &json!([])));
    assert_eq!(program.get("/api/feed?topic=nothing").await.status, 404);
}
