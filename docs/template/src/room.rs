//! A chat room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_core::prelude::*;

/// The longest text, in characters.
const TEXT_CHARS: usize = 500;

/// A chat room. Everyone in it gets every line.
#[ws_controller(path = "/rooms/{room}", emits(Joined, Left))]
struct Room;

/// Says something.
#[derive(Deserialize, JsonSchema, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say {
    /// 1 to 500 characters.
    text: String,
}

/// Somebody said something.
#[derive(Serialize, JsonSchema, WsEvent)]
#[ws_event("said")]
struct Said {
    from: String,
    text: String,
}

/// Somebody came in.
#[derive(Serialize, JsonSchema, WsEvent)]
#[ws_event("joined")]
struct Joined {
    who: String,
}

/// Somebody is gone.
#[derive(Serialize, JsonSchema, WsEvent)]
#[ws_event("left")]
struct Left {
    who: String,
}

#[derive(Debug, thiserror::Error, WsError)]
enum RoomError {
    /// The text is empty.
    #[error("write something")]
    #[ws_error(code = "empty")]
    Empty,
    /// The text is too long.
    #[error("{0} characters are too many")]
    #[ws_error(code = "too_long")]
    TooLong(usize),
}

#[ws_handlers]
impl Room {
    #[on_open]
    async fn join(&self, conn: &Connection, Path(room): &Path<String>) -> Result {
        conn.join(room)?;
        let who = conn.id().to_string();
        conn.room(room).except(conn.id()).emit(&Joined { who });
        Ok(())
    }

    /// The others in the room get the line, too.
    #[on_event("say")]
    async fn say(
        &self,
        conn: &Connection,
        Path(room): &Path<String>,
        Data(say): Data<Say>,
    ) -> Result<Said, RoomError> {
        match say.text.chars().count() {
            0 => Err(RoomError::Empty),
            chars if chars > TEXT_CHARS => Err(RoomError::TooLong(chars)),
            _ => {
                let from = conn.id().to_string();
                let text = say.text;
                let said = Said { from, text };
                conn.room(room).except(conn.id()).emit(&said);
                Ok(said)
            }
        }
    }

    #[on_close]
    async fn leave(&self, conn: &Connection, Path(room): &Path<String>) {
        let who = conn.id().to_string();
        conn.room(room).except(conn.id()).emit(&Left { who });
    }
}
