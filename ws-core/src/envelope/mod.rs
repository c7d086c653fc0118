//! The envelope in which events travel: `{"event": "say", "data": .., "ref": "7"}`.
//!
//! A received envelope borrows from its message: `data` is decoded once, as the type that a handler
//! requests, and `ref` is sent back byte for byte. A connection with the subprotocol `msgpack` has
//! the same envelope as MessagePack in binary messages. This module must not depend on connections
//! or handlers.

mod event;
mod fault;
mod form;
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
mod place;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::{
    event::{DeclaredReply, DescribeEvent, EventInfo, EventTypes, WsAsk, WsCall, WsEvent},
    fault::{COMMON_CODES, EventError},
    form::{
        AnyReply, DeclaredReplies, ManyReplies, NoReplies, Nothing, OneReply, RawReply, Replies, ReplyForm,
        ReplyName,
    },
};
pub(crate) use self::{fault::DecodeError, json::decode as decode_json};
use crate::wire::{Message, SendError};

/// The format of a connection's envelopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON in text messages.
    #[default]
    Json,
    /// MessagePack in binary messages.
    #[cfg(feature = "msgpack")]
    MsgPack,
}

impl Format {
    /// Returns the format of a connection with this subprotocol.
    pub(crate) fn of(subprotocol: Option<&str>) -> Self {
        match subprotocol {
            #[cfg(feature = "msgpack")]
            Some("msgpack") => Self::MsgPack,
            _ => Self::Json,
        }
    }

    /// Encodes an envelope as a message.
    pub(crate) fn encode<T: Serialize + ?Sized>(
        self,
        event: &str,
        data: &T,
        reference: Option<Raw<'_>>,
    ) -> Result<Message, SendError> {
        match self {
            Self::Json => {
                let reference = reference.and_then(Raw::as_json);
                Ok(Message::text(json::encode(event, data, reference)?))
            }
            #[cfg(feature = "msgpack")]
            Self::MsgPack => {
                let reference = reference.and_then(Raw::as_msgpack);
                let bytes = msgpack::encode(event, data, reference)
                    .map_err(<serde_json::Error as serde::ser::Error>::custom)?;
                Ok(Message::binary(bytes))
            }
        }
    }

    /// Encodes the envelope of an ask, with a `ref` that this side chose.
    pub(crate) fn encode_ask<T: Serialize + ?Sized>(
        self,
        event: &str,
        data: &T,
        reference: &str,
    ) -> Result<Message, SendError> {
        match self {
            Self::Json => {
                let reference = serde_json::value::to_raw_value(reference)?;
                self.encode(event, data, Some(Raw::Json(&reference)))
            }
            #[cfg(feature = "msgpack")]
            Self::MsgPack => {
                let reference = msgpack::encode_str(reference);
                self.encode(event, data, Some(Raw::MsgPack(&reference)))
            }
        }
    }
}

/// A received envelope; it borrows from its message.
#[derive(Debug)]
pub struct Envelope<'a> {
    pub(crate) event: Cow<'a, str>,
    /// `None` if it is absent or `null`.
    pub(crate) data: Option<Raw<'a>>,
    pub(crate) reference: Option<Raw<'a>>,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope in a message of a connection with this format.
    pub(crate) fn read(format: Format, message: &'a Message) -> Result<Self, EventError> {
        match (format, message) {
            (Format::Json, Message::Text(text)) => Self::from_json(text),
            #[cfg(feature = "msgpack")]
            (Format::MsgPack, Message::Binary(bytes)) => Self::from_msgpack(bytes),
            (_, message) => Err(EventError::unsupported(message)),
        }
    }

    /// Returns the `ref` of a message that may otherwise not be an envelope; `None` if it has no
    /// valid `ref`.
    pub(crate) fn reference_of(format: Format, message: &'a Message) -> Option<Raw<'a>> {
        #[derive(Deserialize)]
        struct Referring<'a> {
            #[serde(borrow, rename = "ref")]
            reference: Option<&'a RawValue>,
        }

        match (format, message) {
            (Format::Json, Message::Text(text)) if !json::is_array(text) => {
                let Referring { reference } = serde_json::from_str(text).ok()?;
                reference.filter(|raw| json::is_reference(raw.get())).map(Raw::Json)
            }
            #[cfg(feature = "msgpack")]
            (Format::MsgPack, Message::Binary(bytes)) => msgpack::reference(bytes).map(Raw::MsgPack),
            _ => None,
        }
    }

    fn from_json(text: &'a str) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        #[serde(expecting = "an envelope")]
        struct Incoming<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
            #[serde(borrow, rename = "ref")]
            reference: Option<&'a RawValue>,
        }

        // Serde also accepts an array of the fields as a struct, but an array is not an envelope.
        if json::is_array(text) {
            return Err(EventError::BadJson { message: "an envelope is an object".to_owned() });
        }
        let incoming: Incoming<'a> = serde_json::from_str(text)
            .map_err(|error| EventError::BadJson { message: json::shortened(&error.to_string()) })?;
        if incoming.reference.is_some_and(|raw| !json::is_reference(raw.get())) {
            return Err(EventError::BadJson { message: "`ref` is a string or a number".to_owned() });
        }
        Ok(Self {
            event: incoming.event,
            data: incoming.data.map(Raw::Json),
            reference: incoming.reference.map(Raw::Json),
        })
    }

    #[cfg(feature = "msgpack")]
    fn from_msgpack(bytes: &'a [u8]) -> Result<Self, EventError> {
        let parts =
            msgpack::decode(bytes).map_err(|error| EventError::BadMsgPack { message: error.to_string() })?;
        Ok(Self {
            event: Cow::Borrowed(parts.event),
            data: parts.data.map(Raw::MsgPack),
            reference: parts.reference.map(Raw::MsgPack),
        })
    }

    /// Returns the event's name.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Decodes `data`. Absent data is decoded as `null`, so `Option`, `()` and other types that
    /// accept `null` need no data.
    pub(crate) fn decode_data<T: Deserialize<'a>>(&self) -> Result<T, DecodeError> {
        match self.data {
            Some(data) => data.decode(),
            None => json::decode("null"),
        }
    }
}

/// A part of a received envelope, not decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    Json(&'a RawValue),
    #[cfg(feature = "msgpack")]
    MsgPack(&'a [u8]),
}

impl<'a> Raw<'a> {
    /// Decodes the part; the error has the place of the fault.
    pub(crate) fn decode<T: Deserialize<'a>>(self) -> Result<T, DecodeError> {
        match self {
            Self::Json(raw) => json::decode(raw.get()),
            #[cfg(feature = "msgpack")]
            Self::MsgPack(raw) => msgpack::decode_data(raw),
        }
    }

    fn as_json(self) -> Option<&'a RawValue> {
        match self {
            Self::Json(raw) => Some(raw),
            #[cfg(feature = "msgpack")]
            Self::MsgPack(_) => None,
        }
    }

    #[cfg(feature = "msgpack")]
    fn as_msgpack(self) -> Option<&'a [u8]> {
        match self {
            Self::MsgPack(raw) => Some(raw),
            Self::Json(_) => None,
        }
    }

    /// Returns the text of a reference that is a string, in both formats.
    pub(crate) fn as_str(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(raw) => serde_json::from_str(raw.get()).ok().map(Cow::<str>::Owned),
            #[cfg(feature = "msgpack")]
            Self::MsgPack(raw) => msgpack::decode_data::<&str>(raw).ok().map(Cow::Borrowed),
        }
    }

    /// Copies the part, so that it can outlive its message.
    pub(crate) fn to_owned(self) -> OwnedRaw {
        match self {
            Self::Json(raw) => OwnedRaw::Json(raw.to_owned()),
            #[cfg(feature = "msgpack")]
            Self::MsgPack(raw) => OwnedRaw::MsgPack(raw.into()),
        }
    }
}

/// A reference that outlives its message.
#[derive(Debug)]
pub(crate) enum OwnedRaw {
    Json(Box<RawValue>),
    #[cfg(feature = "msgpack")]
    MsgPack(Box<[u8]>),
}

impl OwnedRaw {
    pub(crate) fn borrow(&self) -> Raw<'_> {
        match self {
            Self::Json(raw) => Raw::Json(raw),
            #[cfg(feature = "msgpack")]
            Self::MsgPack(raw) => Raw::MsgPack(raw),
        }
    }
}

/// The call that an error belongs to. It is carried with the error to the code that answers the
/// call.
#[derive(Debug)]
pub(crate) struct ReplyTo {
    format: Format,
    reference: Option<OwnedRaw>,
}

impl ReplyTo {
    pub(crate) fn new(format: Format, reference: Option<Raw<'_>>) -> Self {
        Self { format, reference: reference.map(Raw::to_owned) }
    }

    /// Encodes `{"event": "error", "data": .., "ref": ..}`.
    pub(crate) fn error(&self, data: &ErrorData<'_>) -> Result<Message, SendError> {
        self.format.encode("error", data, self.reference.as_ref().map(OwnedRaw::borrow))
    }
}

/// The public part of an error, as sent to the client.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorData<'a> {
    /// The machine code; it does not change between versions.
    pub(crate) code: &'a str,
    /// The text for people.
    pub(crate) message: &'a str,
    /// The place of the fault inside `data`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) path: &'a str,
    /// Faults by field.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub(crate) fields: &'a serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Message {
        Message::text(text)
    }

    #[test]
    fn the_parts_of_an_envelope_are_found_in_any_order() {
        for (text, event, data, reference) in [
            (r#"{"event":"say","data":{"a":1},"ref":"7"}"#, "say", Some(r#"{"a":1}"#), Some(r#""7""#)),
            (r#"{"ref":7,"data":[1, 2],"event":"say"}"#, "say", Some("[1, 2]"), Some("7")),
            (r#"{"event":"s\u0061y"}"#, "say", None, None),
            (r#"{"event":"say","data":null,"ref":null,"more":{}}"#, "say", None, None),
        ] {
            let message = json(text);
            let envelope = Envelope::read(Format::Json, &message).unwrap();
            let raw = |raw: Option<Raw<'_>>| raw.and_then(Raw::as_json).map(|raw| raw.get().to_owned());
            assert_eq!(envelope.event(), event, "{text}");
            assert_eq!(raw(envelope.data).as_deref(), data, "{text}");
            assert_eq!(raw(envelope.reference).as_deref(), reference, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_an_envelope_is_bad_json() {
        for text in [
            "",
            "hello",
            "[]",
            r#" ["say",null,7]"#,
            "{}",
            r#"{"event":1}"#,
            r#"{"event":"a","event":"b"}"#,
            r#"{"event":"a","ref":{}}"#,
        ] {
            let message = json(text);
            let error = Envelope::read(Format::Json, &message).unwrap_err();
            assert_eq!(error.code(), "bad_json", "{text}");
        }
    }

    #[test]
    fn the_text_about_bad_json_is_short_and_names_no_internal_type() {
        let message = json(&format!("\"{}\"", "x".repeat(100_000)));
        let EventError::BadJson { message } = Envelope::read(Format::Json, &message).unwrap_err() else {
            panic!("another fault")
        };
        assert!(message.len() < 300 && message.contains("expected an envelope"), "{message}");
    }

    #[test]
    fn a_reference_is_found_without_an_envelope_around_it() {
        for (text, reference) in [
            (r#"{"data":1,"ref":"7"}"#, Some(r#""7""#)),
            (r#"{"event":7,"ref":7}"#, Some("7")),
            (r#"{"event":"a","event":"b","ref":7}"#, Some("7")),
            (r#"{"ref":{}}"#, None),
            (r#"{"ref":null}"#, None),
            (r#"{"ref":7"#, None),
            (r#"["7"]"#, None),
            ("7", None),
        ] {
            let message = json(text);
            let raw = Envelope::reference_of(Format::Json, &message).and_then(Raw::as_json);
            assert_eq!(raw.map(RawValue::get), reference, "{text}");
        }
    }

    #[test]
    fn a_binary_message_is_not_a_json_envelope() {
        let message = Message::binary(&b"{}"[..]);
        assert_eq!(Envelope::read(Format::Json, &message).unwrap_err().code(), "unsupported");
    }

    #[test]
    fn a_reply_has_the_reference_unchanged() {
        let message = json(r#"{"event":"say","ref":1e2}"#);
        let envelope = Envelope::read(Format::Json, &message).unwrap();
        let reply = Format::Json.encode("said", &1, envelope.reference).unwrap();
        assert_eq!(reply.as_text(), Some(r#"{"event":"said","data":1,"ref":1e2}"#));
    }
}
