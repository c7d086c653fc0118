//! `envelope`: an accepted envelope is equal after it is written and read again, its `ref` is
//! returned byte for byte, and the text about a fault has a limit.
//!
//! The first byte chooses JSON or MessagePack; the others are the message.

use std::{collections::HashMap, fmt::Debug, net::IpAddr};

use serde::{Deserialize, de::DeserializeOwned, de::IgnoredAny};
use serde_json::{Value, value::RawValue};
use ws_core::{Message, Text, fuzzing::Envelope, handlers::ParamError};

/// The longest text about a fault that a client may get, in bytes.
const MAX_TOLD_BYTES: usize = 1 << 10;

/// A payload with all kinds of values in serde.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Order<'a> {
    #[serde(borrow)]
    id: Option<&'a str>,
    items: Vec<Item>,
    #[serde(default)]
    labels: HashMap<String, u8>,
    address: Option<IpAddr>,
    weight: Option<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Item {
    name: String,
    size: (u8, i64),
    kind: Kind,
    inner: Option<Box<Item>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
enum Kind {
    Plain,
    New(char),
    Pair(u8, bool),
    Fields { a: u64 },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code)]
enum Either {
    Number(i32),
    List(Vec<Either>),
    Text(String),
}

/// Checks a message that may arrive on a connection with typed handlers.
pub fn check(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    if first & 1 == 0 {
        let Ok(text) = Text::try_from(bytes::Bytes::copy_from_slice(bytes)) else { return };
        check_message(None, &Message::Text(text));
    } else {
        check_message(Some("msgpack"), &Message::binary(bytes.to_vec()));
    }
}

fn check_message(subprotocol: Option<&str>, message: &Message) {
    let envelope = match Envelope::read(subprotocol, message) {
        Ok(envelope) => envelope,
        Err(error) => return is_bounded(&error.to_string()),
    };
    assert!(is_whole(message), "accepted, but not an envelope");
    decode(&envelope);
    same_again(subprotocol, &envelope);
    refused(subprotocol, &envelope);
}

/// Whether the message is one value of its format.
fn is_whole(message: &Message) -> bool {
    match message {
        Message::Text(text) => serde_json::from_str::<IgnoredAny>(text).is_ok(),
        // Unknown extensions are skipped, because serde has no type for them.
        Message::Binary(_) => true,
    }
}

fn decode(envelope: &Envelope<'_>) {
    fn into<'a, T: Deserialize<'a> + Debug>(envelope: &Envelope<'a>) {
        if let Some(Err(error)) = envelope.decode::<T>() {
            // Not written by `Debug`, which turns one byte into six.
            match error {
                ParamError::Invalid { what, path, message, .. } => {
                    is_bounded(&[&*what, &path, &message].concat())
                }
                other => is_bounded(&format!("{other:?}")),
            }
        }
    }
    fn owned<T: DeserializeOwned + Debug>(envelope: &Envelope<'_>) {
        into::<T>(envelope);
    }

    into::<Order<'_>>(envelope);
    into::<&str>(envelope);
    owned::<Item>(envelope);
    owned::<Vec<Item>>(envelope);
    owned::<Kind>(envelope);
    owned::<Either>(envelope);
    owned::<u8>(envelope);
    owned::<Option<(f64, char)>>(envelope);
    owned::<HashMap<String, HashMap<String, bool>>>(envelope);
    owned::<HashMap<i16, String>>(envelope);
    owned::<Vec<IpAddr>>(envelope);
    owned::<()>(envelope);
    owned::<Value>(envelope);
}

/// Checks that an envelope with the same parts is equal after it is written and read.
fn same_again(subprotocol: Option<&str>, envelope: &Envelope<'_>) {
    let answer = match subprotocol {
        None => {
            let data = envelope.data().map(|raw| str(raw).to_owned());
            let data = data.map(|raw| RawValue::from_string(raw).expect("the parts of JSON are JSON"));
            envelope.answer(envelope.event(), &data)
        }
        // Binary data, extensions and keys that are not strings cannot be written as JSON, so they
        // are skipped.
        Some(_) => match envelope.decode::<Value>().transpose() {
            Ok(data) => envelope.answer(envelope.event(), &data),
            Err(_) => envelope.answer(envelope.event(), &()),
        },
    };
    let answer = answer.expect("an envelope can be answered");
    let again = Envelope::read(subprotocol, &answer).expect("what is written can be read");
    assert_eq!(again.event(), envelope.event());
    assert_eq!(again.reference(), envelope.reference(), "the `ref` is unchanged");
    match subprotocol {
        None => assert_eq!(again.data(), envelope.data()),
        Some(_) => {
            let value =
                |envelope: &Envelope<'_>| envelope.decode::<Value>().and_then(Result::ok).unwrap_or_default();
            assert_eq!(value(&again), value(envelope));
        }
    }
}

/// Checks that the answer that refuses it is an envelope, too, with the same `ref`.
fn refused(subprotocol: Option<&str>, envelope: &Envelope<'_>) {
    #[derive(Deserialize)]
    struct Data {
        code: String,
        message: String,
        path: Option<String>,
    }

    let path = if envelope.event().len() < 9 { envelope.event() } else { "" };
    let refusal = envelope.refusal("bad", "not so", path).expect("it can be refused");
    let refusal = Envelope::read(subprotocol, &refusal).expect("a refusal is an envelope");
    assert_eq!((refusal.event(), refusal.reference()), ("error", envelope.reference()));
    let data: Data = refusal.decode().expect("it has data").expect("it fits");
    assert_eq!((&*data.code, &*data.message, &*data.path.unwrap_or_default()), ("bad", "not so", path));
}

fn str(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).expect("JSON is UTF-8")
}

fn is_bounded(told: &str) {
    assert!(told.len() < MAX_TOLD_BYTES, "a fault text of {} bytes", told.len());
}
