//! Envelopes in MessagePack: a map with string keys, split into its parts without decoding `data`.
//!
//! [`decode`] walks over the bytes and finds the parts; the caller decodes them later. It allocates
//! nothing and does not trust announced lengths: a length beyond the end of the bytes is a fault,
//! and nesting has a limit.

use rmp::Marker;
use serde::{Deserialize, Serialize};

use super::{DecodeError, json::shortened};
use crate::fixed;

/// The parts of an envelope as they were received.
#[derive(Debug, PartialEq)]
pub(super) struct Parts<'a> {
    pub(super) event: &'a str,
    /// `None` if it is missing or nil.
    pub(super) data: Option<&'a [u8]>,
    pub(super) reference: Option<&'a [u8]>,
}

/// Why bytes are not an envelope.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it ends too early")]
    Truncated,
    #[error("not MessagePack")]
    Reserved,
    #[error("nested too deeply")]
    TooDeep,
    #[error("an envelope is a map with string keys")]
    NotAMap,
    #[error("`{0}` occurs twice")]
    Twice(&'static str),
    #[error("`event` is missing or is not a string")]
    NoEvent,
    #[error("`ref` is a string or a number")]
    Reference,
    #[error("there are bytes after the envelope")]
    Trailing,
}

/// Finds the parts of `{"event": .., "data": .., "ref": ..}` in any order; skips other keys.
pub(super) fn decode(bytes: &[u8]) -> Result<Parts<'_>, Malformed> {
    let [event, data, reference] = values(bytes)?;
    if reference.is_some_and(|raw| !is_reference(raw)) {
        return Err(Malformed::Reference);
    }
    Ok(Parts { event: event.and_then(text).ok_or(Malformed::NoEvent)?, data, reference })
}

/// Returns the `ref` of a map, even if the map is not an envelope.
pub(super) fn reference(bytes: &[u8]) -> Option<&[u8]> {
    let [_, _, reference] = values(bytes).ok()?;
    reference.filter(|raw| is_reference(raw))
}

/// Returns the values of `event`, `data` and `ref`; `None` for a `data` or `ref` that is nil.
fn values(bytes: &[u8]) -> Result<[Option<&[u8]>; 3], Malformed> {
    let mut reader = Reader { left: bytes };
    let entries = match reader.marker()? {
        Marker::FixMap(len) => u64::from(len),
        Marker::Map16 => reader.number(2)?,
        Marker::Map32 => reader.number(4)?,
        _ => return Err(Malformed::NotAMap),
    };
    let (mut event, mut data, mut reference) = (None, None, None);
    for _ in 0..entries {
        let key = reader.value().and_then(|raw| text(raw).ok_or(Malformed::NotAMap))?;
        let value = reader.value()?;
        let (name, part) = match key {
            "event" => ("event", &mut event),
            "data" => ("data", &mut data),
            "ref" => ("ref", &mut reference),
            _ => continue,
        };
        if part.replace(value).is_some() {
            return Err(Malformed::Twice(name));
        }
    }
    if !reader.left.is_empty() {
        return Err(Malformed::Trailing);
    }
    let something = |raw: &&[u8]| **raw != [Marker::Null.to_u8()];
    Ok([event, data.filter(something), reference.filter(something)])
}

/// Decodes a value. If that fails, decodes it a second time to find the place of the fault.
///
/// Types with two forms, such as addresses and times, use the human-readable form, as in JSON, so
/// that one client and one schema fit both formats.
pub(super) fn decode_data<'a, T: Deserialize<'a>>(raw: &'a [u8]) -> Result<T, DecodeError> {
    let deserializer = || rmp_serde::Deserializer::from_read_ref(raw).with_human_readable();
    T::deserialize(&mut deserializer()).map_err(|error| {
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer()) {
            Err(placed) => fault(placed.path(), &placed.inner().to_string()),
            Ok(_) => DecodeError::whole(error),
        }
    })
}

/// Creates the fault with its place.
fn fault(path: &serde_path_to_error::Path, message: &str) -> DecodeError {
    let is_known = path.iter().len() > 0;
    let path = if is_known { shortened(&path.to_string()) } else { String::new() };
    DecodeError { path, message: shortened(message) }
}

/// Encodes an envelope; structs become maps by field name, as in JSON.
pub(super) fn encode<T: Serialize + ?Sized>(
    event: &str,
    data: &T,
    reference: Option<&[u8]>,
) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let entries = if reference.is_some() { 3 } else { 2 };
    let mut bytes = vec![Marker::FixMap(entries).to_u8()];
    push_str(&mut bytes, "event");
    push_str(&mut bytes, event);
    push_str(&mut bytes, "data");
    data.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable())?;
    if let Some(reference) = reference {
        push_str(&mut bytes, "ref");
        bytes.extend_from_slice(reference);
    }
    Ok(bytes)
}

/// Encodes a string.
pub(super) fn encode_str(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 5);
    push_str(&mut bytes, text);
    bytes
}

fn push_str(bytes: &mut Vec<u8>, text: &str) {
    // Writing to a vector does not fail.
    let _ = rmp::encode::write_str(bytes, text);
}

/// Returns the text of a value that is a string; `None` for binary, and for a string that is not
/// UTF-8.
fn text(raw: &[u8]) -> Option<&str> {
    rmp::decode::read_str_from_slice(raw).ok().map(|(text, _)| text)
}

/// Whether a value is a string or a number. The value is sent back unchanged, so a string must be
/// valid UTF-8.
fn is_reference(raw: &[u8]) -> bool {
    use Marker::*;

    match raw.first().map(|byte| Marker::from_u8(*byte)) {
        Some(FixPos(_) | FixNeg(_) | U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64 | F32 | F64) => true,
        _ => text(raw).is_some(),
    }
}

/// Walks over values.
struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Takes the bytes of the next value, of any type.
    fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let before = self.left;
        match self.head()? {
            0 => {}
            inner => self.pass(inner)?,
        }
        before.get(..before.len() - self.left.len()).ok_or(Malformed::Truncated)
    }

    /// Skips this many values and everything inside them. It is not recursive, because the peer
    /// chooses the depth.
    fn pass(&mut self, values: u64) -> Result<(), Malformed> {
        // The number of values left in each open array or map; the innermost is the last one.
        let mut open = [0; fixed::MSGPACK_DEPTH];
        let [outermost, ..] = &mut open;
        *outermost = values;
        let mut depth = 1_usize;
        while let Some(left) = depth.checked_sub(1).and_then(|innermost| open.get_mut(innermost)) {
            if *left == 0 {
                depth -= 1;
                continue;
            }
            *left -= 1;
            let inner = self.head()?;
            if inner > 0 {
                *open.get_mut(depth).ok_or(Malformed::TooDeep)? = inner;
                depth += 1;
            }
        }
        Ok(())
    }

    /// Skips the bytes of one value without its elements; returns the number of its elements.
    fn head(&mut self) -> Result<u64, Malformed> {
        let payload = match self.marker()? {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => 0,
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::FixExt4 => 5,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::FixStr(len) => u64::from(len),
            Marker::Str8 | Marker::Bin8 => self.number(1)?,
            Marker::Str16 | Marker::Bin16 => self.number(2)?,
            Marker::Str32 | Marker::Bin32 => self.number(4)?,
            Marker::Ext8 => self.number(1)? + 1,
            Marker::Ext16 => self.number(2)? + 1,
            Marker::Ext32 => self.number(4)? + 1,
            Marker::FixArray(len) => return Ok(u64::from(len)),
            Marker::Array16 => return self.number(2),
            Marker::Array32 => return self.number(4),
            Marker::FixMap(len) => return Ok(2 * u64::from(len)),
            Marker::Map16 => return Ok(2 * self.number(2)?),
            Marker::Map32 => return Ok(2 * self.number(4)?),
            Marker::Reserved => return Err(Malformed::Reserved),
        };
        self.take(payload)?;
        Ok(0)
    }

    fn marker(&mut self) -> Result<Marker, Malformed> {
        let byte = self.take(1)?.first().ok_or(Malformed::Truncated)?;
        Ok(Marker::from_u8(*byte))
    }

    /// Takes a big-endian number of this many bytes.
    fn number(&mut self, len: u64) -> Result<u64, Malformed> {
        Ok(self.take(len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed::Truncated)?;
        let (taken, left) = self.left.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.left = left;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        rmp_serde::to_vec_named(value).unwrap()
    }

    #[test]
    fn an_encoded_envelope_is_decoded() {
        for data in
            [json!(null), json!({"a": [1, {"b": "c"}], "d": -1.5}), json!("x".repeat(70_000)), json!([[[]]])]
        {
            for reference in [None, Some(packed(&json!("7"))), Some(packed(&json!(7)))] {
                let bytes = encode("say", &data, reference.as_deref()).unwrap();
                let parts = decode(&bytes).unwrap();
                assert_eq!((parts.event, parts.reference), ("say", reference.as_deref()));
                match parts.data {
                    Some(raw) => assert_eq!(decode_data::<Value>(raw).unwrap(), data),
                    None => assert_eq!(data, json!(null)),
                }
            }
        }
    }

    #[test]
    fn keys_may_have_any_order_and_unknown_ones_are_skipped() {
        let bytes = packed(&json!({"zzz": {"a": [1, 2]}, "ref": 1, "data": true, "event": "e"}));
        let parts = decode(&bytes).unwrap();
        assert_eq!((parts.event, parts.data, parts.reference), ("e", Some(&[0xc3][..]), Some(&[1][..])));
    }

    /// A map that announces two entries and has one.
    fn packed_event() -> Vec<u8> {
        [&[0x82, 0xa5][..], b"event", &[0xa1, b'a']].concat()
    }

    #[test]
    fn bytes_that_are_not_an_envelope_are_refused_with_a_reason() {
        let twice = [
            0x82, 0xa5, b'e', b'v', b'e', b'n', b't', 0xa1, b'a', 0xa5, b'e', b'v', b'e', b'n', b't', 0xa1,
            b'b',
        ];
        for (bytes, why) in [
            (vec![], Malformed::Truncated),
            (vec![0xc1], Malformed::NotAMap),
            (packed(&json!([1])), Malformed::NotAMap),
            (packed(&json!({})), Malformed::NoEvent),
            (packed(&json!({"event": 1})), Malformed::NoEvent),
            (packed(&json!({"event": "a", "ref": []})), Malformed::Reference),
            // A reference is sent back, so an incomplete character in it would make the reply
            // invalid.
            ([&packed_event()[..], &[0xa3, b'r', b'e', b'f', 0xa1, 0xff]].concat(), Malformed::Reference),
            // Binary is not a string, also if it contains UTF-8.
            ([&[0x81, 0xa5][..], b"event", &[0xc4, 1, b'a']].concat(), Malformed::NoEvent),
            ([&[0x81, 0xc4, 5][..], b"event", &[0xa1, b'a']].concat(), Malformed::NotAMap),
            ([packed(&json!({"event": "a"})), vec![0]].concat(), Malformed::Trailing),
            (twice.to_vec(), Malformed::Twice("event")),
            (vec![0x81, 1, 1], Malformed::NotAMap),
            // Announced lengths without the bytes: 4 GiB of text, 4 Gi of values.
            (vec![0x81, 0xa1, b'x', 0xdb, 0xff, 0xff, 0xff, 0xff], Malformed::Truncated),
            (vec![0xdf, 0xff, 0xff, 0xff, 0xff], Malformed::Truncated),
            ([&[0x81, 0xa1, b'x'][..], &[0x91; 100_000]].concat(), Malformed::TooDeep),
        ] {
            assert_eq!(decode(&bytes), Err(why), "{:?}", bytes.get(..20));
        }
    }

    #[test]
    fn a_reference_is_found_without_an_envelope_around_it() {
        for (value, found) in [
            (json!({"data": 1, "ref": "7"}), Some(packed(&json!("7")))),
            (json!({"event": 7, "ref": 7}), Some(packed(&json!(7)))),
            (json!({"ref": []}), None),
            (json!({"ref": null}), None),
            (json!(["7"]), None),
        ] {
            assert_eq!(reference(&packed(&value)), found.as_deref(), "{value}");
        }
    }

    #[test]
    fn nesting_is_accepted_up_to_its_limit() {
        let nested = |depth| [&packed_event()[..], &[0xa4], b"data", &vec![0x91; depth], &[0xc0]].concat();
        assert_eq!(
            decode(&nested(fixed::MSGPACK_DEPTH)).unwrap().data.map(<[u8]>::len),
            Some(fixed::MSGPACK_DEPTH + 1)
        );
        assert_eq!(decode(&nested(fixed::MSGPACK_DEPTH + 1)), Err(Malformed::TooDeep));
    }

    #[test]
    fn data_has_the_same_form_as_in_json() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Peer {
            address: std::net::IpAddr,
            side: Side,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Side {
            Left { by: u8 },
        }

        let peer = Peer { address: [127, 0, 0, 1].into(), side: Side::Left { by: 1 } };
        let bytes = encode("peer", &peer, None).unwrap();
        let raw = decode(&bytes).unwrap().data.unwrap();
        assert_eq!(decode_data::<Value>(raw).unwrap(), serde_json::to_value(&peer).unwrap());
        assert_eq!(decode_data::<Peer>(raw).unwrap(), peer);
    }

    #[test]
    fn a_fault_in_the_data_has_its_place() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Order {
            items: Vec<u8>,
        }

        let raw = packed(&json!({"items": [1, "x"]}));
        let Err(DecodeError { path, .. }) = decode_data::<Order>(&raw) else { panic!("accepted") };
        assert_eq!(path, "items[1]");
    }

    /// Any JSON value that MessagePack also has.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..20)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_encoded_envelope_is_equal_after_decoding(event: String, data in any_value(), reference in prop::option::of(any::<u64>())) {
            let reference = reference.map(|number| packed(&json!(number)));
            let bytes = encode(&event, &data, reference.as_deref()).unwrap();
            let parts = decode(&bytes).unwrap();
            prop_assert_eq!((parts.event, parts.reference), (&*event, reference.as_deref()));
            prop_assert_eq!(parts.data.map(|raw| decode_data::<Value>(raw).unwrap()).unwrap_or_default(), data);
        }

        #[test]
        fn a_part_of_an_envelope_is_none(data in any_value(), cut: prop::sample::Index) {
            let bytes = encode("say", &data, None).unwrap();
            prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let as_data = [&packed_event()[..], &[0xa4], b"data", &bytes].concat();
            let _ = (decode(&bytes), decode(&as_data), decode_data::<Value>(&bytes));
        }

        #[test]
        fn parts_of_broken_envelopes_can_be_used(
            data in any_value(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = encode("say", &data, Some(&[7])).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(Parts { data: Some(raw), .. }) = decode(&bytes) {
                let _ = decode_data::<Value>(raw);
            }
        }
    }
}
