//! What is said in the rooms, and `POST /rooms/{room}/say`: the HTTP side pushes into a room through the hub.
//!
//! The hub knows who is in which room. Kept here are only the last lines of each room, for those who come later; a room
//! in which nobody has spoken for long makes place for another.
//!
//! In a cluster, every process keeps the lines that were said on it, and numbers them by itself. The
//! broker stores nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_core::{Hub, WsEvent, error::ErrorCodes as _};

use crate::{
    controllers::Room,
    errors::{self, ChatError},
    login::{Callers, refuse},
    nodes,
};

/// Lines that are kept of a room.
const LINES_A_ROOM: usize = 200;
/// Rooms that lines are kept of.
const ROOMS: usize = 1000;
/// The longest text, in characters.
const TEXT_CHARS: usize = 500;
/// The longest name of a room, in characters.
const NAME_CHARS: usize = 32;
/// The largest body of `POST /rooms/{room}/say`, in bytes.
const SAY_BYTES: usize = 4 << 10;

/// The name of a room; one that is empty or too long is none.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub(crate) struct RoomName(String);

impl RoomName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RoomName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.chars().count() {
            1..=NAME_CHARS => Ok(Self(name)),
            _ => Err(format!("a room's name has 1 to {NAME_CHARS} characters")),
        }
    }
}

/// The event `say`, and the body of `POST /rooms/{room}/say`.
#[derive(Debug, Deserialize, JsonSchema, WsEvent)]
#[ws_event("say", reply = Said)]
pub(crate) struct Say {
    /// 1 to 500 characters.
    text: String,
}

/// A line that was said in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, WsEvent)]
#[ws_event("said")]
pub(crate) struct Said {
    /// Counts the lines of all rooms.
    pub(crate) id: u64,
    /// Who said it.
    pub(crate) from: String,
    /// The text of the line.
    pub(crate) text: String,
}

/// The last lines of all rooms; a handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chat(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last_id: u64,
    rooms: BTreeMap<String, VecDeque<Said>>,
}

impl Chat {
    /// Keeps a line and gives it its number.
    ///
    /// # Errors
    /// When there is nothing to say, or too much.
    pub(crate) fn say(&self, room: &RoomName, from: String, say: Say) -> Result<Said, ChatError> {
        let chars = say.text.chars().count();
        if say.text.trim().is_empty() {
            return Err(ChatError::Empty);
        }
        if chars > TEXT_CHARS {
            return Err(ChatError::TooLong { chars, limit: TEXT_CHARS });
        }
        let mut lines = self.lock();
        lines.last_id += 1;
        let said = Said { id: lines.last_id, from, text: say.text };
        if !lines.rooms.contains_key(room.as_str()) && lines.rooms.len() == ROOMS {
            lines.forget_oldest();
        }
        let kept = lines.rooms.entry(room.as_str().to_owned()).or_default();
        if kept.len() == LINES_A_ROOM {
            kept.pop_front();
        }
        kept.push_back(said.clone());
        Ok(said)
    }

    /// The last lines of a room, oldest first.
    pub(crate) fn history(&self, room: &RoomName, limit: usize) -> Vec<Said> {
        let lines = self.lock();
        let kept = lines.rooms.get(room.as_str());
        kept.map(|kept| kept.iter().skip(kept.len().saturating_sub(limit)).cloned().collect())
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Nothing below panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Drops the room whose last line is the oldest.
    fn forget_oldest(&mut self) {
        let oldest = self.rooms.iter().min_by_key(|(_, lines)| lines.back().map(|said| said.id));
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.rooms.remove(&name);
        }
    }
}

/// The state of the HTTP handler.
#[derive(Clone)]
struct Speaker {
    hub: Hub,
    chat: Chat,
    callers: Callers,
}

/// The answer to `POST /rooms/{room}/say`.
#[derive(Serialize)]
struct Spoken {
    id: u64,
    /// The members on this process whose outboxes took the line.
    heard_by: usize,
    /// The members on all processes of a cluster; `null` if not all processes have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Option<usize>>,
    /// The outcome for the other processes of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<&'static str>,
}

/// The route of the server `http`.
pub(crate) fn router(hub: Hub, chat: Chat, callers: Callers) -> Router {
    Router::new()
        .route("/rooms/{room}/say", post(say).layer(DefaultBodyLimit::max(SAY_BYTES)))
        .with_state(Speaker { hub, chat, callers })
}

/// `{"text": "hi"}` with a token: the members of the room get it as if it were said on a connection.
///
/// A room without a member is not an error: the line is kept for those who come later.
async fn say(
    State(speaker): State<Speaker>,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Say>, JsonRejection>,
) -> Response {
    let from = match speaker.callers.account(&headers).await {
        Ok(account) => account,
        Err(refusal) => return refusal,
    };
    let (Ok(room), Ok(Json(say))) = (RoomName::try_from(room), body) else {
        return refuse(StatusCode::BAD_REQUEST, errors::SAY_MALFORMED);
    };
    match speaker.chat.say(&room, from, say) {
        Ok(said) => {
            let room = speaker.hub.room::<Room>(room.as_str());
            // In turns, because this waits until the broker has accepted the line.
            let delivery = room.in_turns().emit(&said).await;
            let other_nodes = nodes::outcome(delivery.remote);
            let members = if other_nodes.is_some() { Some(room.count().await.ok()) } else { None };
            let spoken = Spoken { id: said.id, heard_by: delivery.sent, members, other_nodes };
            Json(spoken).into_response()
        }
        Err(error) => {
            let body = serde_json::json!({ "code": error.code(), "msg": error.to_string() });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::try_from(name.to_owned()).unwrap()
    }

    fn say(text: &str) -> Say {
        Say { text: text.to_owned() }
    }

    #[test]
    fn the_last_lines_are_kept_in_their_order() {
        let chat = Chat::default();
        for number in 1..=LINES_A_ROOM + 1 {
            chat.say(&room("a"), "jerry".into(), say(&number.to_string())).unwrap();
        }
        chat.say(&room("b"), "lily".into(), say("elsewhere")).unwrap();
        let texts: Vec<_> = chat.history(&room("a"), 2).into_iter().map(|said| said.text).collect();
        assert_eq!(texts, ["200", "201"]);
        assert_eq!(chat.history(&room("a"), usize::MAX).len(), LINES_A_ROOM);
        assert!(chat.history(&room("c"), 10).is_empty());
    }

    #[test]
    fn the_room_that_was_silent_for_longest_makes_place() {
        let chat = Chat::default();
        for number in 0..=ROOMS {
            chat.say(&room(&number.to_string()), "jerry".into(), say("hi")).unwrap();
        }
        assert!(chat.history(&room("0"), 1).is_empty());
        assert_eq!(chat.history(&room("1"), 1).len(), 1);
    }

    #[test]
    fn an_empty_and_a_too_long_text_are_not_said() {
        let chat = Chat::default();
        assert_eq!(chat.say(&room("a"), "jerry".into(), say(" \n")), Err(ChatError::Empty));
        let long = "断".repeat(TEXT_CHARS + 1);
        assert!(matches!(
            chat.say(&room("a"), "jerry".into(), say(&long)),
            Err(ChatError::TooLong { chars: 501, limit: 500 })
        ));
        assert!(chat.say(&room("a"), "jerry".into(), say(&"断".repeat(TEXT_CHARS))).is_ok());
    }

    #[test]
    fn a_room_has_a_name() {
        for name in [String::new(), "x".repeat(NAME_CHARS + 1)] {
            assert!(RoomName::try_from(name).is_err());
        }
    }
}
