//! The same JSON event without attributes: the code parses the envelope, compares the event's name,
//! and serialises the answer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ws_core::{Connection, Controller, Message, Result};

/// The payload of the client's event.
#[derive(Deserialize)]
pub(super) struct Say {
    room: u32,
    text: String,
}

/// The payload of the answer.
#[derive(Serialize)]
pub(super) struct Said {
    room: u32,
    text: String,
}

impl From<Say> for Said {
    fn from(Say { room, text }: Say) -> Self {
        Self { room, text }
    }
}

/// `data` stays text until the event is known.
#[derive(Deserialize)]
struct Request<'a> {
    event: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(rename = "ref", borrow)]
    reference: &'a RawValue,
}

#[derive(Serialize)]
struct Reply<'a, T> {
    event: &'a str,
    data: T,
    #[serde(rename = "ref")]
    reference: &'a RawValue,
}

pub(super) struct Chat;

impl Controller for Chat {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let text = message.as_text().ok_or("expected a text message")?;
        let Request { event, data, reference } = serde_json::from_str(text)?;
        match event {
            "say" => {
                let data = Said::from(serde_json::from_str::<Say>(data.get())?);
                Ok(conn.push_json(&Reply { event, data, reference })?)
            }
            _ => Err("unknown event".into()),
        }
    }
}
