//! A chat with typed handlers: each client joins a room, and each message reaches all members of
//! the room.
//!
//! Run:  cargo run -p ws-core --example chat     (serves on 127.0.0.1:9502 until Ctrl-C)
//! Test: cargo test -p ws-core --example chat

#![allow(clippy::print_stdout, reason = "examples print their results")]

use serde::{Deserialize, Serialize};
use ws_core::prelude::*;

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
async fn main() -> Result<(), StartError> {
    let app = App::new().on_start(async |app| {
        if let Some(address) = app.local_addr("ws") {
            println!("serving; connect twice with: python3 -m websockets ws://{address}/rooms/lobby");
            println!(r#"and write: {{"event":"say","data":{{"text":"hi"}},"ref":7}}"#);
        }
    });
    app.run().await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use ws_core::{
        prelude::*,
        testing::{TestApp, TestError},
    };

    #[tokio::test]
    async fn a_message_reaches_all_members_of_the_room() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut jerry = app.connect("/rooms/lobby").await?;
        let mut lily = app.connect("/rooms/lobby").await?;
        for client in [&mut jerry, &mut lily] {
            assert_eq!(client.next_event::<String>("welcome").await?, "this is lobby");
        }
        jerry.send_event("say", &json!({ "text": "hi" })).await;
        for client in [&mut jerry, &mut lily] {
            let said: Value = client.next_event("said").await?;
            assert_eq!(said["text"], "hi");
        }
        Ok(())
    }

    #[tokio::test]
    async fn an_empty_text_is_refused_with_an_error_event() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut client = app.connect("/rooms/lobby").await?;
        assert_eq!(client.next_event::<String>("welcome").await?, "this is lobby");
        client.send_event("say", &json!({ "text": "" })).await;
        let error: Value = client.next_event("error").await?;
        assert_eq!(error, json!({ "code": "empty", "message": "write something" }));
        Ok(())
    }
}
