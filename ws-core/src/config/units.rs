//! The text forms of times, sizes, counts and lists: `"30s"`, `"64KiB"`, `20`, `"off"`,
//! `["a", "b"]`.

use std::{fmt, marker::PhantomData, time::Duration};

use humantime::format_duration;
use serde::{
    Deserialize as _, Deserializer, Serializer,
    de::{self, DeserializeOwned, IntoDeserializer as _, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// Defines a module for `#[serde(with = "..")]` with one text form of a type.
macro_rules! unit {
    ($name:ident: $type:ty, $visitor:expr, $write:expr) => {
        pub(super) mod $name {
            use super::*;

            pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$type, D::Error> {
                from.deserialize_any($visitor)
            }

            pub(in crate::config) fn serialize<S: Serializer>(
                value: &$type,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                let write: fn(&$type) -> String = $write;
                to.serialize_str(&write(value))
            }
        }
    };
}

unit!(duration: Duration, DurationVisitor, |value| format_duration(*value).to_string());
unit!(duration_or_zero: Duration, DurationOrZeroVisitor, |value| format_duration(*value).to_string());
unit!(optional_duration: Option<Duration>, Or(DurationVisitor, "off"), |value| match value {
    Some(value) => format_duration(*value).to_string(),
    None => "off".into(),
});
unit!(size: usize, SizeVisitor, |value| value.to_string());
unit!(optional_size: Option<usize>, Or(SizeVisitor, "off"), |value| match value {
    Some(value) => value.to_string(),
    None => "off".into(),
});
unit!(size_or_auto: Option<usize>, Or(SizeVisitor, "auto"), |value| match value {
    Some(value) => value.to_string(),
    None => "auto".into(),
});
unit!(count: usize, CountVisitor, |value| value.to_string());
unit!(optional_count: Option<usize>, Or(CountVisitor, "off"), |value| match value {
    Some(value) => value.to_string(),
    None => "off".into(),
});

#[derive(Clone, Copy)]
struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time with its unit, such as \"500ms\", \"30s\" or \"2m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(duration),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

struct DurationOrZeroVisitor;

impl Visitor<'_> for DurationOrZeroVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time with its unit, such as \"0s\", \"500ms\" or \"15s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[derive(Clone, Copy)]
struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size of at least one byte, such as 4096, \"64KiB\" or \"1MiB\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
        text.parse::<bytesize::ByteSize>()
            .ok()
            .and_then(|size| usize::try_from(size.as_u64()).ok())
            .filter(|size| *size > 0)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<usize, E> {
        usize::try_from(number)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<usize, E> {
        usize::try_from(number)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }
}

#[derive(Clone, Copy)]
struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of at least 1")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
        text.parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<usize, E> {
        usize::try_from(number)
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }
}

/// Accepts the values of another visitor, or a word that means no value, such as `"off"`.
struct Or<V>(V, &'static str);

impl<'de, V: Visitor<'de> + Copy> Visitor<'de> for Or<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)?;
        write!(f, ", or \"{}\"", self.1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == self.1 {
            return Ok(None);
        }
        let value = self.0.visit_str::<E>(text).map(Some);
        value.map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        let value = self.0.visit_i64::<E>(number).map(Some);
        value.map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        let value = self.0.visit_u64::<E>(number).map(Some);
        value.map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }
}

/// A type whose values may be written as a list.
pub(super) trait Listed: DeserializeOwned {
    /// The description of a list with an example, for error texts.
    const LIST: &'static str;
}

/// Reads a list, or a text with commas, which is the form in an environment variable.
pub(super) fn list<'de, D: Deserializer<'de>, T: Listed>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_any(ListVisitor(PhantomData))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Listed> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::LIST)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| T::deserialize(part.into_deserializer())).collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(parts))
    }
}
