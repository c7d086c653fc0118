//! Events as types: their names, their replies, and the declarations of a route.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ws_core::{
    Route,
    connection::AskError,
    handlers::{ReplyForm, ReplyName, WsAsk, WsCall},
    prelude::*,
    testing::{TestApp, TestClient},
};

use super::{ask, serve};

mod names {
    pub(super) const LEFT: &str = "left";
}

/// A line was said.
#[derive(Clone, Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("said")]
struct Said {
    text: String,
}

/// Says something.
///
/// All members get it.
#[derive(Debug, Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say {
    text: String,
}

#[derive(Debug, Deserialize, WsEvent)]
#[ws_event("history", stream = Said)]
struct History {
    lines: usize,
}

#[derive(Debug, Deserialize, WsEvent)]
#[ws_event("count", reply = usize)]
struct Count;

#[derive(Debug, Serialize, WsEvent)]
#[ws_event("joined")]
struct Joined<'a> {
    account: &'a str,
}

#[derive(Debug, Serialize, WsEvent)]
#[ws_event(names::LEFT)]
struct Left;

#[derive(Debug, Serialize, WsEvent)]
#[ws_event("confirm", answer = bool)]
enum Confirm {
    Payment { amount: u32 },
}

#[derive(Debug, Serialize, WsEvent)]
#[ws_event("secret")]
struct Secret;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn join(&self, conn: &Connection) -> Result<Joined<'static>> {
        conn.join("all")?;
        Ok(Joined { account: "ann" })
    }

    #[on_event("say")]
    async fn say(&self, conn: &Connection, Data(say): Data<Say>) -> Result<Said> {
        let said = Said { text: say.text };
        conn.room("all").except(conn.id()).emit(&said);
        Ok(said)
    }

    #[on_event("history")]
    async fn history(
        &self,
        Data(history): Data<History>,
    ) -> Stream<impl futures_util::Stream<Item = Result<Said>> + use<>> {
        let line = |number| Ok(Said { text: format!("{number}") });
        Stream::new(futures_util::stream::iter((0..history.lines).map(line)))
    }

    #[on_event("count")]
    async fn count(&self, count: Option<Data<Count>>, conn: &Connection) -> Option<Data<usize>> {
        count.map(|_| Data(conn.room("all").count_local()))
    }

    #[on_event("pay")]
    async fn pay(&self, conn: &Connection) -> Result<Data<bool>, AskError> {
        Ok(Data(conn.ask(&Confirm::Payment { amount: 12 }).await?))
    }

    #[on_event("whisper")]
    async fn whisper(&self, conn: &Connection) -> Result {
        conn.emit(&Secret)?;
        conn.emit(&Secret)?;
        conn.room("all").emit(&Left);
        conn.room("all").in_turns().emit(&Left).await;
        Ok(())
    }
}

async fn connected(app: &TestApp) -> TestClient {
    let mut client = app.connect("/").await.unwrap();
    assert_eq!(client.next_event::<Value>("joined").await.unwrap(), json!({"account": "ann"}));
    client
}

#[test]
fn a_type_has_the_name_the_reply_and_the_answer_of_its_event() {
    fn reply_of<E: WsCall<Reply = R>, R>() -> &'static str {
        E::NAME
    }
    fn answer_of<E: WsAsk<Answer = R>, R>() -> &'static str {
        E::NAME
    }
    assert_eq!(
        [reply_of::<Say, Said>(), reply_of::<History, Said>(), reply_of::<Count, usize>()],
        ["say", "history", "count"]
    );
    assert_eq!([answer_of::<Confirm, bool>(), Left::NAME, Joined::NAME], ["confirm", "left", "joined"]);
}

#[test]
fn a_controller_describes_the_events_and_the_replies_of_its_handlers() {
    let handlers = Room::__typed().unwrap().handlers;
    let model: Vec<_> = handlers
        .iter()
        .map(|handler| {
            let reply = handler.facts.reply;
            (handler.method, handler.facts.event_type().map(|data| data.name), reply.form, reply.name)
        })
        .collect();
    let expected = [
        ("join", None, ReplyForm::One, ReplyName::Own("joined")),
        ("say", Some("say"), ReplyForm::One, ReplyName::Own("said")),
        ("history", Some("history"), ReplyForm::Many, ReplyName::Own("said")),
        ("count", Some("count"), ReplyForm::Optional, ReplyName::Same),
        ("pay", None, ReplyForm::One, ReplyName::Same),
        ("whisper", None, ReplyForm::None, ReplyName::AtRunTime),
    ];
    assert_eq!(model, expected);
    let data = handlers[1].facts.event_type().unwrap();
    assert_eq!((data.docs, data.is_ask), ("Says something.\n\nAll members get it.", false));
}

#[tokio::test]
async fn an_event_type_is_sent_under_its_name_with_the_ref_of_the_call() {
    let app = serve(Room).await;
    let (mut ann, mut bob) = (connected(&app).await, connected(&app).await);
    let got = ask(&mut ann, r#"{"event":"say","data":{"text":"hi"},"ref":1}"#).await;
    assert_eq!(got, json!({"event": "said", "data": {"text": "hi"}, "ref": 1}));
    let got: Value = bob.next_json().await.unwrap();
    assert_eq!(got, json!({"event": "said", "data": {"text": "hi"}}), "pushed, so without a ref");
    let got = ask(&mut ann, r#"{"event":"count","data":null,"ref":2}"#).await;
    assert_eq!(got, json!({"event": "end", "data": {"event": "count"}, "ref": 2}), "null means no data");
    let got = ask(&mut ann, r#"{"event":"history","data":{"lines":1},"ref":3}"#).await;
    assert_eq!(got, json!({"event": "said", "data": {"text": "0"}, "ref": 3}));
    assert_eq!(ann.next_event::<Value>("end").await.unwrap(), json!({"event": "history"}));
}

#[tokio::test]
async fn an_ask_has_the_type_of_its_answer() {
    let app = serve(Room).await;
    let mut client = connected(&app).await;
    let question = ask(&mut client, r#"{"event":"pay","ref":1}"#).await;
    assert_eq!(
        (&question["event"], &question["data"]),
        (&json!("confirm"), &json!({"Payment": {"amount": 12}}))
    );
    let answer = json!({"event": "confirm", "data": true, "ref": question["ref"]});
    let got = ask(&mut client, answer.to_string()).await;
    assert_eq!(got, json!({"event": "pay", "data": true, "ref": 1}));
}

#[tokio::test]
async fn an_undeclared_event_is_reported_once_for_each_controller_with_both_places() {
    let app = serve(Room).await;
    let mut client = connected(&app).await;
    assert_eq!(app.undeclared(), []);
    for _ in 0..2 {
        client.send_text(r#"{"event":"whisper"}"#).await;
        for event in ["secret", "secret", "left", "left"] {
            client.next_event::<()>(event).await.unwrap();
        }
    }
    let found = app.undeclared();
    let events: Vec<_> = found.iter().map(|found| (found.controller, found.event, found.type_name)).collect();
    assert_eq!(events, [("Room", "left", "Left"), ("Room", "secret", "Secret")]);
    let text = found[1].to_string();
    for part in ["event `secret`", "event_types.rs:", "`Room`", "main.rs:", "emits(Secret)"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn an_event_is_declared_by_a_reply_by_emits_and_by_hand() {
    let room = Route::new("/", Room).emits::<Secret>().emits::<Left>().emits::<Confirm>();
    let app = TestApp::start(App::without_registry().route(room)).await;
    let mut client = connected(&app).await;
    client.send_text(r#"{"event":"whisper"}"#).await;
    for event in ["secret", "secret", "left", "left"] {
        client.next_event::<()>(event).await.unwrap();
    }
    client.send_text(r#"{"event":"pay"}"#).await;
    client.next_event::<Value>("confirm").await.unwrap();
    assert_eq!(app.undeclared(), []);
}
