//! The envelope: the handler of an event, and the answer if it has none.

use serde::{Deserialize, Serialize};
use serde_json::json;
use ws_core::handlers::EventName;
use ws_core::prelude::*;

use super::{ask, serve};

#[derive(Deserialize)]
struct Say<'a> {
    text: &'a str,
    #[serde(default)]
    to: Vec<Person>,
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Serialize)]
struct Said {
    len: usize,
    to: Vec<String>,
}

struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say<'_>>) -> Data<Said> {
        let to = say.to.into_iter().map(|person| person.name).collect();
        Data(Said { len: say.text.len(), to })
    }

    #[on_event("ping")]
    async fn ping(&self) -> Event<()> {
        Event::new("pong", ())
    }

    #[on_event("maybe")]
    async fn maybe(&self, data: Option<Data<u32>>) -> Option<Data<u32>> {
        data.map(|Data(number)| Data(number + 1))
    }

    #[on_event("fail")]
    async fn fail(&self) -> Result {
        Err("the password is swordfish".into())
    }

    #[on_event("refuse")]
    async fn refuse(&self) -> Result {
        Err(Error::new("row 17 is locked").code("busy").public("try again later"))
    }

    #[on_event("ban")]
    async fn ban(&self) -> Result {
        Err(Error::new("banned").close_code(4003).public("banned"))
    }

    #[on_event("panic")]
    async fn panic(&self) {
        panic!("on purpose");
    }
}

#[tokio::test]
async fn a_reply_has_the_event_and_the_ref_of_its_call() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    for reference in [json!("7"), json!(7), json!(-1.5), json!("ünï \"quoted\"")] {
        let sent = json!({"event": "say", "data": {"text": "hi", "to": [{"name": "ann"}]}, "ref": reference});
        let got = ask(&mut client, sent.to_string()).await;
        assert_eq!(got, json!({"event": "say", "data": {"len": 2, "to": ["ann"]}, "ref": reference}));
    }
    let got = ask(&mut client, r#"{"data":{"text":""},"event":"say"}"#).await;
    assert_eq!(got, json!({"event": "say", "data": {"len": 0, "to": []}}), "no ref, no answer");
}

#[tokio::test]
async fn another_event_as_a_reply_keeps_the_ref() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    let got = ask(&mut client, r#"{"event":"ping","ref":"a"}"#).await;
    assert_eq!(got, json!({"event": "pong", "data": null, "ref": "a"}));
}

#[tokio::test]
async fn each_fault_of_an_event_has_its_code_and_its_ref_and_the_connection_stays_open() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    for (sent, code, path, reference) in [
        ("no json", "bad_json", None, None),
        ("[1,2]", "bad_json", None, None),
        (r#"["say",{"text":"hi"},"r"]"#, "bad_json", None, None),
        (r#"{"data":1,"ref":"r"}"#, "bad_json", None, Some("r")),
        (r#"{"event":7,"ref":"r"}"#, "bad_json", None, Some("r")),
        (r#"{"event":"say","ref":{"a":1}}"#, "bad_json", None, None),
        (r#"{"event":"shout","ref":"r"}"#, "unknown_event", None, Some("r")),
        (r#"{"event":"say","ref":"r"}"#, "invalid_data", None, Some("r")),
        (r#"{"event":"say","data":null,"ref":"r"}"#, "invalid_data", None, Some("r")),
        (r#"{"event":"say","data":{"text":1},"ref":"r"}"#, "invalid_data", Some("text"), Some("r")),
        (
            r#"{"event":"say","data":{"text":"a","to":[{"name":"b"},{"name":7}]},"ref":"r"}"#,
            "invalid_data",
            Some("to[1].name"),
            Some("r"),
        ),
        (r#"{"event":"maybe","data":"x","ref":"r"}"#, "invalid_data", None, Some("r")),
        (r#"{"event":"fail","ref":"r"}"#, "internal", None, Some("r")),
        (r#"{"event":"refuse","ref":"r"}"#, "busy", None, Some("r")),
    ] {
        let got = ask(&mut client, sent).await;
        assert_eq!(got["event"], "error", "{sent}");
        assert_eq!(got["data"]["code"], code, "{sent}: {got}");
        assert!(got["data"]["message"].is_string(), "{sent}: {got}");
        assert_eq!(got["data"]["path"].as_str(), path, "{sent}: {got}");
        assert_eq!(got["ref"].as_str(), reference, "{sent}: {got}");
    }
    let got = ask(&mut client, r#"{"event":"maybe","data":1}"#).await;
    assert_eq!(got["data"], 2, "it stays open");
}

#[tokio::test]
async fn the_text_of_an_error_without_a_public_part_is_never_sent() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    let got = ask(&mut client, r#"{"event":"fail"}"#).await;
    assert_eq!(got, json!({"event": "error", "data": {"code": "internal", "message": "internal error"}}));
    let got = ask(&mut client, r#"{"event":"refuse"}"#).await;
    assert_eq!(got, json!({"event": "error", "data": {"code": "busy", "message": "try again later"}}));
}

#[tokio::test]
async fn an_option_of_data_is_none_without_data() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"maybe"}"#).await;
    let got = ask(&mut client, r#"{"event":"maybe","data":41}"#).await;
    assert_eq!(got["data"], 42, "the first one has no data");
}

#[tokio::test]
async fn an_error_with_a_close_code_closes() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"ban"}"#).await;
    assert_eq!(client.expect_close(4003).await, "banned");
}

#[tokio::test]
async fn a_panic_in_an_event_closes_its_own_connection_only() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    let mut other = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"panic"}"#).await;
    client.expect_close(1011).await;
    assert_eq!(ask(&mut other, r#"{"event":"ping"}"#).await["event"], "pong");
}

#[tokio::test]
async fn a_binary_message_without_a_handler_is_unsupported() {
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_binary(vec![1]).await;
    let got: serde_json::Value = client.next_json().await.unwrap();
    assert_eq!(got["data"]["code"], "unsupported");
}

/// Has a handler for all other messages.
struct Mixed;

#[ws_handlers]
impl Mixed {
    #[on_event("known")]
    async fn known(&self) -> Text {
        Text::from_static("known")
    }

    #[on_unknown]
    async fn unknown(
        &self,
        name: EventName<'_>,
        data: Option<Data<serde_json::Value>>,
    ) -> Data<serde_json::Value> {
        Data(json!({"name": &*name, "data": data.map(|Data(data)| data)}))
    }

    #[on_text]
    async fn text(&self, text: &str) -> String {
        format!("text {text}")
    }

    #[on_message]
    async fn rest(&self, message: Message) -> String {
        format!("{} bytes", message.len())
    }
}

#[tokio::test]
async fn events_texts_and_other_messages_each_reach_their_own_handler() {
    let app = serve(Mixed).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"known"}"#).await;
    assert_eq!(client.next_text().await.unwrap(), "known");
    let got = ask(&mut client, r#"{"event":"x","data":[1]}"#).await;
    assert_eq!(got, json!({"event": "x", "data": {"name": "x", "data": [1]}}));
    client.send_text("plain").await;
    assert_eq!(client.next_text().await.unwrap(), "text plain");
    client.send_text(r#"["known",null,7]"#).await;
    assert_eq!(client.next_text().await.unwrap(), r#"text ["known",null,7]"#, "an array is not an envelope");
    client.send_binary(vec![0; 3]).await;
    assert_eq!(client.next_text().await.unwrap(), "3 bytes");
}

/// Without events: a text is not read as an envelope.
struct Plain;

#[ws_handlers]
impl Plain {
    #[on_text]
    async fn text(&self, Json(number): Json<i32>) -> Json<i32> {
        Json(-number)
    }

    #[on_binary]
    async fn binary(&self, bytes: Bytes) -> Message {
        Message::binary(bytes.slice(1..))
    }
}

#[tokio::test]
async fn without_events_no_text_is_an_envelope() {
    let app = serve(Plain).await;
    let mut client = app.connect("/").await.unwrap();
    assert_eq!(ask(&mut client, "7").await, -7);
    client.send_binary(vec![1, 2, 3]).await;
    assert_eq!(client.next().await.unwrap(), Message::binary(vec![2, 3]));
    let got = ask(&mut client, r#"{"event":"say"}"#).await;
    assert_eq!(got["data"]["code"], "invalid_data", "{got}");
}

mod names {
    pub(super) const SAY: &str = "say";
}

/// Handles events by several names and by constants.
struct Named;

#[ws_handlers]
impl Named {
    #[on_event(names::SAY, "speak")]
    async fn say(&self, name: EventName<'_>) -> Data<String> {
        Data(format!("said as {name}"))
    }

    #[on_event(concat!("sh", "out"))]
    async fn shout(&self) -> Data<String> {
        Data("shouted".to_owned())
    }
}

#[tokio::test]
async fn a_method_handles_each_of_its_names_and_no_other() {
    let app = serve(Named).await;
    let mut client = app.connect("/").await.unwrap();
    for (event, data) in [("say", "said as say"), ("speak", "said as speak"), ("shout", "shouted")] {
        let got = ask(&mut client, format!(r#"{{"event":"{event}"}}"#)).await;
        assert_eq!(got, json!({"event": event, "data": data}));
    }
    let got = ask(&mut client, r#"{"event":"SAY"}"#).await;
    assert_eq!(got["data"]["code"], "unknown_event", "{got}");
}
