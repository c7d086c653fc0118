//! Decodes the JSON parts of an envelope and reports the place of a fault. Fault texts are cut,
//! because serde quotes the input.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DecodeError, place};

/// The limit of a fault's text, and of its path, in bytes: serde quotes the input, which may be a
/// whole message.
const MAX_FAULT_BYTES: usize = 256;

/// The initial capacity of an envelope's text, so that a small envelope needs one allocation.
const ENVELOPE_BYTES: usize = 128;

/// Decodes a value. The error has the place of the fault.
pub(crate) fn decode<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, DecodeError> {
    // The called function is not generic, because `decode` is compiled for each payload type.
    serde_json::from_str(raw).map_err(|error| fault(raw, &error))
}

#[cold]
fn fault(raw: &str, error: &serde_json::Error) -> DecodeError {
    let (path, message) = (place::of(raw, error), error.to_string());
    DecodeError { path: shortened(&path), message: shortened(without_position(&message)) }
}

/// Encodes an envelope. This function is compiled for each type of data, so it only serialises the
/// data; the functions that it calls are not generic.
pub(super) fn encode<T: Serialize + ?Sized>(
    event: &str,
    data: &T,
    reference: Option<&RawValue>,
) -> serde_json::Result<String> {
    let mut bytes = up_to_data(event)?;
    data.serialize(&mut serde_json::Serializer::new(&mut bytes))?;
    from_data_on(bytes, reference)
}

fn up_to_data(event: &str) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(ENVELOPE_BYTES);
    bytes.extend_from_slice(br#"{"event":"#);
    serde_json::to_writer(&mut bytes, event)?;
    bytes.extend_from_slice(br#","data":"#);
    Ok(bytes)
}

fn from_data_on(mut bytes: Vec<u8>, reference: Option<&RawValue>) -> serde_json::Result<String> {
    if let Some(reference) = reference {
        bytes.extend_from_slice(br#","ref":"#);
        bytes.extend_from_slice(reference.get().as_bytes());
    }
    bytes.push(b'}');
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Shortens a text of serde for the client. The start says what is wrong and the end says what was
/// expected, so the middle of a long text is removed.
pub(super) fn shortened(text: &str) -> String {
    let half = MAX_FAULT_BYTES / 2;
    if text.len() <= MAX_FAULT_BYTES {
        return text.to_owned();
    }
    let (start, end) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    [text.get(..start), text.get(end..)].map(Option::unwrap_or_default).join("…")
}

/// Removes the line and column: serde_json counts them inside `data`, so they do not fit the whole
/// message.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").and_then(|end| message.get(..end)).unwrap_or(message)
}

/// Whether a JSON text is an array.
pub(super) fn is_array(text: &str) -> bool {
    text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('[')
}

/// Whether a valid JSON value is a string or a number, and so may be a `ref`.
pub(super) fn is_reference(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Item {
        name: String,
    }

    #[test]
    fn a_fault_has_its_place() {
        for (raw, place, wrong) in [
            (
                r#"{"items":[{"name":"a"},{"name":1}]}"#,
                "items[1].name",
                "invalid type: integer `1`, expected a string",
            ),
            (r#"{"items":[{}]}"#, "items[0]", "missing field `name`"),
            (r#"{"items":{}}"#, "items", "invalid type: map, expected a sequence"),
            ("7", "", "invalid type: integer `7`, expected struct Order"),
        ] {
            let Err(DecodeError { path, message }) = decode::<Order>(raw) else { panic!("{raw}") };
            assert_eq!((path.as_str(), message.as_str()), (place, wrong), "{raw}");
        }
        assert!(decode::<Order>(r#"{"items":[]}"#).is_ok());
    }

    #[test]
    fn the_text_of_a_fault_does_not_grow_with_the_message() {
        let (long, cut) = ("é".repeat(100_000), MAX_FAULT_BYTES + 3);
        let said = |DecodeError { path, message }: DecodeError| (path, message);
        let (_, message) = said(decode::<u8>(&format!("\"{long}\"")).unwrap_err());
        assert!(
            message.starts_with("invalid type: string \"é") && message.ends_with("é\", expected u8"),
            "{message}"
        );
        assert!(message.len() <= cut, "{}", message.len());
        let map = format!("{{\"{long}\":\"x\"}}");
        let (path, _) = said(decode::<HashMap<String, u8>>(&map).unwrap_err());
        assert!(path.starts_with('é') && path.len() <= cut, "{}", path.len());
    }

    #[test]
    fn a_reference_is_a_string_or_a_number() {
        for (raw, is) in
            [(r#""7""#, true), ("7", true), ("-1e3", true), ("{}", false), ("[]", false), ("true", false)]
        {
            assert_eq!(is_reference(raw), is, "{raw}");
        }
    }
}
