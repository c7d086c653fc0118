//! The messages of one connection, recorded while the page shows it.

use serde_json::{Value, json};

use super::live::millis;
use crate::{
    connection::{Connection, RecordedKind, RecordedMessage, Recording},
    hub::Hub,
};

/// Reads the messages of a connection. While it exists, they are kept.
#[derive(Debug)]
pub(super) struct Reader {
    recording: Recording,
    next: u64,
    /// Whether the page knows that the connection has ended.
    has_reported_end: bool,
    is_first: bool,
}

impl Reader {
    pub(super) fn new(connection: &Connection) -> Self {
        Self { recording: Recording::new(connection), next: 0, has_reported_end: false, is_first: true }
    }

    /// Returns the messages since the last call; `None` if there is nothing new.
    pub(super) fn next(&mut self, hub: &Hub) -> Option<Value> {
        let has_ended = hub.get_local(self.recording.connection().id()).is_none();
        let messages = self.recording.since(self.next);
        let is_news = self.is_first || !messages.is_empty() || has_ended != self.has_reported_end;
        (self.is_first, self.has_reported_end) = (false, has_ended);
        if !is_news {
            return None;
        }
        let missed = messages.first().map_or(0, |first| first.number.saturating_sub(self.next));
        self.next = messages.last().map_or(self.next, |last| last.number + 1);
        Some(json!({
            "count": hub.count_local(),
            "has_ended": has_ended,
            "missed": missed,
            "messages": messages.iter().map(message).collect::<Vec<_>>(),
        }))
    }
}

fn message(recorded: &RecordedMessage) -> Value {
    let RecordedMessage { number, at, direction, kind, size, start } = recorded;
    let (kind, code, is_text) = match kind {
        RecordedKind::Text => ("text", None, true),
        RecordedKind::Binary => ("binary", None, false),
        RecordedKind::Ping => ("ping", None, false),
        RecordedKind::Pong => ("pong", None, false),
        RecordedKind::Close(code) => ("close", *code, true),
    };
    // A text that was cut may end inside a character.
    let text = if is_text { String::from_utf8_lossy(start).into_owned() } else { hex(start) };
    json!({
        "number": number,
        "at": millis(*at),
        "direction": direction,
        "kind": kind,
        "code": code,
        "size": size,
        "is_cut": start.len() < *size,
        "text": text,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>().trim_end().to_owned()
}
