//! The keep-alive of clients that cannot send WebSocket pings, such as browsers: the event `ping`.
//!
//! The answer is made when the event is read, even while a handler runs. Like a WebSocket ping, the
//! event counts neither as a message nor as activity.

use crate::{
    connection::is_ask_ref,
    envelope::{Envelope, Format},
    fixed,
    wire::Message,
};

/// Returns the answer to the event `ping`, or `None` for any other message and for the answer to an
/// ask. It is called for each message of a typed controller.
#[inline]
pub(crate) fn pong(format: Format, message: &Message) -> Option<Message> {
    if may_be_ping(message) { answer(format, message) } else { None }
}

/// Rejects nearly all other messages without parsing them.
#[inline]
fn may_be_ping(message: &Message) -> bool {
    if message.len() > fixed::PING_BYTES {
        return false;
    }
    match message {
        Message::Text(text) => match text.strip_prefix(r#"{"event":""#) {
            Some(name) => name.starts_with(r#"ping""#),
            None => text.contains(r#""ping""#),
        },
        Message::Binary(bytes) => bytes.windows(4).any(|four| four == b"ping"),
    }
}

/// Parses a message that may be a `ping`, and returns the `pong`.
#[cold]
fn answer(format: Format, message: &Message) -> Option<Message> {
    let envelope = Envelope::read(format, message).ok()?;
    // The answer to an ask may have any name, so it may be named `ping`.
    if envelope.event() != "ping" || envelope.reference.is_some_and(is_ask_ref) {
        return None;
    }
    format.encode("pong", &(), envelope.reference).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_recognised_in_every_layout() {
        for (text, answer) in [
            (r#"{"event":"ping"}"#, Some(r#"{"event":"pong","data":null}"#)),
            (r#"{"event": "ping"}"#, Some(r#"{"event":"pong","data":null}"#)),
            (r#" { "ref" : 7 , "event" : "ping" } "#, Some(r#"{"event":"pong","data":null,"ref":7}"#)),
            (r#"{"event":"ping","data":[],"ref":"a"}"#, Some(r#"{"event":"pong","data":null,"ref":"a"}"#)),
            (r#"{"event":"ping","data":1,"ref":"ask:7"}"#, None),
            (r#"{"event":"pings"}"#, None),
            (r#"{"event":"position","data":"ping"}"#, None),
            (r#"{"event":"say","data":"ping"}"#, None),
            (r#"{"data":"ping","event":"say"}"#, None),
            (r#"["ping"]"#, None),
            ("ping", None),
            ("", None),
        ] {
            let answer_seen = pong(Format::Json, &Message::text(text));
            assert_eq!(answer_seen.as_ref().and_then(Message::as_text), answer, "{text}");
        }
    }

    #[test]
    fn a_long_message_is_not_a_ping() {
        let text = format!(r#"{{"event":"ping","data":"{}"}}"#, "x".repeat(fixed::PING_BYTES));
        assert!(pong(Format::Json, &Message::text(text)).is_none());
    }
}
