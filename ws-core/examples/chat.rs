//! A chat with typed handlers: every connection joins the room, and each line reaches all members.
//!
//! Run: cargo run -p ws-core --example chat --features testing             (talks to itself, then ends)
//! Or:  cargo run -p ws-core --example chat --features testing -- serve    (serves on 127.0.0.1:9502)

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ws_core::{prelude::*, testing::TestApp};

#[ws_controller(path = "/rooms/{room}")]
struct Room;

#[derive(Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say {
    text: String,
}

#[derive(Serialize, WsEvent)]
#[ws_event("said")]
struct Said {
    from: ConnectionId,
    text: String,
}

#[ws_handlers] // writes `impl Controller for Room`
impl Room {
    #[on_open]
    async fn join(&self, conn: &Connection, Path(room): &Path<String>) -> Result<Event<String>> {
        conn.join(room)?; // until the connection closes
        Ok(Event::new("welcome", format!("this is {room}")))
    }

    /// {"event": "say", "data": {"text": "hi"}, "ref": 7}
    #[on_event("say")]
    async fn say(&self, conn: &Connection, Path(room): &Path<String>, Data(say): Data<Say>) -> Result<Said> {
        if say.text.is_empty() {
            return Err(Error::new("nothing said").code("empty").public("write something"));
        }
        let said = Said { from: conn.id(), text: say.text };
        conn.room(room).except(conn.id()).emit(&said);
        Ok(said) // the reply, with the `ref` of the call
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return Ok(App::new().run().await?);
    }
    let app = TestApp::start(App::new()).await;
    let mut jerry = app.connect("/rooms/lobby").await?;
    let mut lily = app.connect("/rooms/lobby").await?;
    for client in [&mut jerry, &mut lily] {
        assert_eq!(client.next_event::<String>("welcome").await?, "this is lobby");
    }
    jerry.send_event("say", &json!({ "text": "hi" })).await;
    for client in [&mut jerry, &mut lily] {
        let said: Value = client.next_event("said").await?;
        assert_eq!(said.get("text"), Some(&json!("hi")));
    }
    lily.send_event("say", &json!({ "text": "" })).await;
    let error: Value = lily.next_event("error").await?;
    assert_eq!(error, json!({ "code": "empty", "message": "write something" }));
    Ok(())
}
