//! The lines of the rooms, and `POST /rooms/{room}/say`, which sends a line to a room through the
//! hub.
//!
//! The hub has the members of each room. This module keeps the last lines of each room, for members
//! who join later. If there are too many rooms, the one whose last line is the oldest is removed.
//!
//! In a cluster, each process keeps and numbers the lines that it received. The broker stores
//! nothing.

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

/// The number of lines that are kept of a room.
const LINES_A_ROOM: usize = 200;
/// The number of rooms whose lines are kept.
const ROOMS: usize = 1000;
/// The longest text, in characters.
const TEXT_CHARS: usize = 500;
/// The longest name of a room, in characters.
const NAME_CHARS: usize = 32;
/// The largest body of `POST /rooms/{room}/say`, in bytes.
const SAY_BYTES: usize = 4 << 10;

/// The name of a room. It is not empty and not too long.
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
    /// The account of the author.
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
    /// Keeps a line and assigns its number.
    ///
    /// # Errors
    ///
    /// If the text is empty or too long.
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
        // No code below panics while the state is half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Removes the room whose last line is the oldest.
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
    /// The members on this process whose outboxes accepted the line.
    received_by: usize,
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

/// `{"text": "hi"}` with a token: the members of the room get the line as if it were sent on a
/// connection.
///
/// A room without a member is not an error: the line is kept for members who join later.
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
            // One after the other, because this waits until the broker has accepted the line.
            let delivery = room.in_turns().emit(&said).await;
            let other_nodes = nodes::outcome(delivery.remote);
            let members = if other_nodes.is_some() { Some(room.count().await.ok()) } else { None };
            let spoken = Spoken { id: said.id, received_by: delivery.sent, members, other_nodes };
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
    fn the_last_lines_are_kept_in_order() {
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
    fn the_room_with_the_oldest_last_line_is_removed() {
        let chat = Chat::default();
        for number in 0..=ROOMS {
            chat.say(&room(&number.to_string()), "jerry".into(), say("hi")).unwrap();
        }
        assert!(chat.history(&room("0"), 1).is_empty());
        assert_eq!(chat.history(&room("1"), 1).len(), 1);
    }

    #[test]
    fn an_empty_or_too_long_text_is_refused() {
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
    fn the_name_of_a_room_has_1_to_32_characters() {
        for name in [String::new(), "x".repeat(NAME_CHARS + 1)] {
            assert!(RoomName::try_from(name).is_err());
        }
    }
}
