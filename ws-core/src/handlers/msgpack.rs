//! Envelopes in MessagePack: a map with string keys, taken apart without decoding `data`.
//!
//! [`decode`] walks over the bytes and finds the parts; what they are decoded into is decided later. It allocates nothing and
//! believes no announced length: a length that the bytes do not have is a fault at once, and nesting has a limit.

use rmp::Marker;
use serde::{Deserialize, Serialize};

use super::{ParamError, json::fault};

/// How deep arrays and maps may stand inside each other.
const MAX_DEPTH: usize = 64;

/// The parts of an envelope as they were received.
#[derive(Debug, PartialEq)]
pub(super) struct Parts<'a> {
    pub(super) event: &'a str,
    /// `None` for none, and for nil.
    pub(super) data: Option<&'a [u8]>,
    pub(super) reference: Option<&'a [u8]>,
}

/// Why bytes are no envelope.
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
    #[error("`{0}` is there twice")]
    Twice(&'static str),
    #[error("`event` is missing or no string")]
    NoEvent,
    #[error("`ref` is a string or a number")]
    Reference,
    #[error("bytes behind the envelope")]
    Trailing,
}

/// Finds the parts of `{"event": .., "data": .., "ref": ..}` in any order; other keys are passed over.
pub(super) fn decode(bytes: &[u8]) -> Result<Parts<'_>, Malformed> {
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
    let reference = reference.filter(something);
    if reference.is_some_and(|raw| !is_reference(raw)) {
        return Err(Malformed::Reference);
    }
    Ok(Parts {
        event: event.and_then(text).ok_or(Malformed::NoEvent)?,
        data: data.filter(something),
        reference,
    })
}

/// Decodes data. Only if that fails it is decoded again, to find out where.
pub(super) fn decode_data<'a, T: Deserialize<'a>>(raw: &'a [u8]) -> Result<T, ParamError> {
    rmp_serde::from_slice(raw).map_err(|error| {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(raw);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(placed) => fault(placed.path(), &placed.inner().to_string()),
            Ok(_) => ParamError::invalid("", error),
        }
    })
}

/// An envelope; structs are maps by field name, as in JSON.
pub(super) fn encode<T: Serialize + ?Sized>(
    event: &str,
    data: &T,
    reference: Option<&[u8]>,
) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    // A map of two or three entries is one byte, 0x80 and their number.
    let mut bytes = vec![Marker::FixMap(if reference.is_some() { 3 } else { 2 }).to_u8()];
    bytes.extend(encode_str("event"));
    bytes.extend(encode_str(event));
    bytes.extend(encode_str("data"));
    data.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())?;
    if let Some(reference) = reference {
        bytes.extend(encode_str("ref"));
        bytes.extend(reference);
    }
    Ok(bytes)
}

/// A string.
pub(super) fn encode_str(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 5);
    // Writing to a vector does not fail.
    let _ = rmp::encode::write_str(&mut bytes, text);
    bytes
}

fn text(raw: &[u8]) -> Option<&str> {
    rmp_serde::from_slice(raw).ok()
}

fn is_reference(raw: &[u8]) -> bool {
    let marker = raw.first().map(|byte| Marker::from_u8(*byte));
    matches!(
        marker,
        Some(
            Marker::FixPos(_)
                | Marker::FixNeg(_)
                | Marker::U8
                | Marker::U16
                | Marker::U32
                | Marker::U64
                | Marker::I8
                | Marker::I16
                | Marker::I32
                | Marker::I64
                | Marker::F32
                | Marker::F64
                | Marker::FixStr(_)
                | Marker::Str8
                | Marker::Str16
                | Marker::Str32
        )
    )
}

/// Walks over values.
struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The bytes of the next value, whatever it is.
    fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let before = self.left;
        // How many values are still to come in each of the arrays and maps that are open.
        let mut open = [0_u64; MAX_DEPTH];
        let mut depth = 0;
        loop {
            let inner = self.head()?;
            if inner > 0 {
                *open.get_mut(depth).ok_or(Malformed::TooDeep)? = inner;
                depth += 1;
                continue;
            }
            loop {
                let Some(parent) = depth.checked_sub(1).and_then(|parent| open.get_mut(parent)) else {
                    let len = before.len() - self.left.len();
                    return before.get(..len).ok_or(Malformed::Truncated);
                };
                *parent -= 1;
                if *parent > 0 {
                    break;
                }
                depth -= 1;
            }
        }
    }

    /// Passes over one value's own bytes; says how many values it contains.
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

    /// A big-endian number of so many bytes.
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
    use serde_json::{Value, json};

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        rmp_serde::to_vec_named(value).unwrap()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
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
    fn keys_come_in_any_order_and_others_are_passed_over() {
        let bytes = packed(&json!({"zzz": {"a": [1, 2]}, "ref": 1, "data": true, "event": "e"}));
        let parts = decode(&bytes).unwrap();
        assert_eq!((parts.event, parts.data, parts.reference), ("e", Some(&[0xc3][..]), Some(&[1][..])));
    }

    #[test]
    fn what_is_no_envelope_says_why() {
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
            ([packed(&json!({"event": "a"})), vec![0]].concat(), Malformed::Trailing),
            (twice.to_vec(), Malformed::Twice("event")),
            (vec![0x81, 1, 1], Malformed::NotAMap),
            // Lengths that nobody has: 4 GiB of text, 4 Gi of values.
            (vec![0x81, 0xa1, b'x', 0xdb, 0xff, 0xff, 0xff, 0xff], Malformed::Truncated),
            (vec![0xdf, 0xff, 0xff, 0xff, 0xff], Malformed::Truncated),
            ([&[0x81, 0xa1, b'x'][..], &[0x91; 100_000]].concat(), Malformed::TooDeep),
        ] {
            assert_eq!(decode(&bytes), Err(why), "{:?}", bytes.get(..20));
        }
    }

    #[test]
    fn a_fault_in_the_data_says_where_it_is() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Order {
            items: Vec<u8>,
        }

        let raw = packed(&json!({"items": [1, "x"]}));
        let Err(ParamError::Invalid { path, .. }) = decode_data::<Order>(&raw) else { panic!("accepted") };
        assert_eq!(path, "items[1]");
    }

    #[test]
    fn no_bytes_panic() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random % 40)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (random >> 56) as u8
                })
                .collect();
            random = random.wrapping_add(1);
            let as_map = [&[0x82, 0xa5][..], b"event", &[0xa1, b'a', 0xa4], b"data", &bytes].concat();
            let _ = (decode(&bytes), decode(&as_map), decode_data::<Value>(&bytes));
        }
    }
}
