//! [`Path<T>`]: the parameters of the route's path, as a value, a tuple or a struct.

use std::{fmt, ops::Deref};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::FromHandshake;
use crate::{
    error::Error,
    request::{Handshake, ParamError},
};

/// The parameters of the route's path. They are decoded and parsed once, before the 101.
///
/// | `T` | for |
/// |---|---|
/// | `u64`, `String`, an enum of names, a newtype around one | a path with one parameter |
/// | `(String, u32)`, a tuple struct | the parameters in their order |
/// | a struct, a map | the parameters by their names |
///
/// If a parameter cannot be parsed, the handshake is refused with 400 and the parameter's name. If
/// `T` expects other parameters than the route has, the server's code is wrong: the handshake is
/// refused with 500 and the error is logged. This is detected at the first handshake, not at start.
///
/// ```
/// use serde::Deserialize;
/// use ws_core::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Seat {
///     table: u32,
///     name: String,
/// }
///
/// #[ws_controller(path = "/tables/{table}/{name}")]
/// struct Table;
///
/// #[ws_handlers]
/// impl Table {
///     #[on_open]
///     async fn sit(&self, Path(seat): &Path<Seat>) -> String {
///         format!("{} sits at table {}", seat.name, seat.table)
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> FromHandshake for Path<T> {
    const NEEDS_PATH: bool = true;

    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        let params: Vec<(&str, &str)> = handshake.path_params().collect();
        if params.is_empty() {
            return Err(ParamError::missing("path parameter"));
        }
        T::deserialize(Params(&params)).map(Self).map_err(|fault| match fault {
            Fault::Named { name, message } => {
                ParamError::invalid(format!("path parameter `{name}`"), message)
            }
            Fault::Value(message) => {
                let names: Vec<_> = params.iter().map(|(name, _)| format!("`{name}`")).collect();
                ParamError::invalid(format!("path parameter {}", names.join(", ")), message)
            }
            Fault::Mismatch(message) => ParamError::Other(Error::new(format!("`Path<T>`: {message}"))),
        })
    }
}

/// The reason why parameters cannot be deserialized.
#[derive(Debug)]
enum Fault {
    /// A value cannot be parsed; [`Fault::at`] adds the parameter's name.
    Value(String),
    /// The value of the parameter `name` cannot be parsed.
    Named { name: String, message: String },
    /// The type expects other parameters than the route has.
    Mismatch(String),
}

impl Fault {
    /// Adds the parameter's name, unless the fault has one or does not belong to one parameter.
    fn at(self, name: &str) -> Self {
        match self {
            Self::Value(message) => Self::Named { name: name.to_owned(), message },
            other => other,
        }
    }

    fn mismatch(message: impl fmt::Display) -> Self {
        Self::Mismatch(message.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, message } => write!(f, "{name}: {message}"),
            Self::Value(message) | Self::Mismatch(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::mismatch(format_args!("the route has no parameter `{field}`"))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::mismatch(format_args!("the type has no field for the parameter `{field}`"))
    }

    fn invalid_length(len: usize, expected: &dyn de::Expected) -> Self {
        Self::mismatch(format_args!("{len} parameters, expected {expected}"))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::mismatch(format_args!("{unexpected}, expected {expected}"))
    }
}

/// All parameters: a sequence, a map, or the only one.
struct Params<'p>(&'p [(&'p str, &'p str)]);

impl<'p> Params<'p> {
    fn only(&self) -> Result<Value<'p>, Fault> {
        match self.0 {
            [(name, text)] => Ok(Value { name, text }),
            many => Err(Fault::mismatch(format_args!(
                "one value for {} parameters; take a tuple or a struct",
                many.len()
            ))),
        }
    }
}

/// Forwards to the only parameter.
macro_rules! only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Params<'_> {
    type Error = Fault;

    only! {
        deserialize_any deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Entries { left: self.0, value: None })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        if len == self.0.len() {
            return self.deserialize_seq(visitor);
        }
        Err(Fault::mismatch(format_args!("{len} values for {} parameters", self.0.len())))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(Entries { left: self.0, value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

/// Iterates over the parameters.
struct Entries<'p> {
    left: &'p [(&'p str, &'p str)],
    /// The value of the key that was read last.
    value: Option<Value<'p>>,
}

impl<'p> Entries<'p> {
    fn next(&mut self) -> Option<Value<'p>> {
        let ((name, text), rest) = self.left.split_first()?;
        self.left = rest;
        Some(Value { name, text })
    }
}

impl<'de> SeqAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.next().map(|value| value.take(seed)).transpose()
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.next();
        let name = self.value.as_ref().map(|value| value.name);
        name.map(|name| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().ok_or_else(|| Fault::mismatch("a value without a key"))?;
        value.take(seed)
    }
}

/// One parameter.
struct Value<'p> {
    name: &'p str,
    text: &'p str,
}

impl Value<'_> {
    /// Deserializes the value. A fault gets the parameter's name.
    fn take<'de, T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let name = self.name;
        seed.deserialize(self).map_err(|fault| fault.at(name))
    }
}

/// Parses the text as the type that serde asks for.
macro_rules! parsed {
    ($($method:ident: $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let name = self.name;
            let value = self.text.parse().map_err(|error| Fault::custom(error).at(name))?;
            visitor.$visit(value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Fault;

    parsed! {
        deserialize_bool: visit_bool;
        deserialize_char: visit_char;
        deserialize_i8: visit_i8;
        deserialize_i16: visit_i16;
        deserialize_i32: visit_i32;
        deserialize_i64: visit_i64;
        deserialize_i128: visit_i128;
        deserialize_u8: visit_u8;
        deserialize_u16: visit_u16;
        deserialize_u32: visit_u32;
        deserialize_u64: visit_u64;
        deserialize_u128: visit_u128;
        deserialize_f32: visit_f32;
        deserialize_f64: visit_f64;
    }

    /// Types such as a UUID or `serde(try_from)` parse in `visit_str`, so its errors are errors of
    /// the client.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.text).map_err(|fault: Fault| fault.at(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let name = self.name;
        visitor.visit_newtype_struct(self).map_err(|fault: Fault| fault.at(name))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let text: StrDeserializer<'_, Fault> = self.text.into_deserializer();
        visitor.visit_enum(text).map_err(|fault: Fault| fault.at(self.name))
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Room(String);

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Side {
        Left,
        Right,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Seat {
        #[serde(rename = "room")]
        place: Room,
        number: Option<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Strict {
        room: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "String")]
    struct Even(u32);

    impl TryFrom<String> for Even {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            match text.parse() {
                Ok(number) if number % 2 == 0 => Ok(Self(number)),
                _ => Err("not even".to_owned()),
            }
        }
    }

    fn parse<T: DeserializeOwned>(params: &[(&str, &str)]) -> Result<T, Fault> {
        T::deserialize(Params(params))
    }

    #[test]
    fn one_parameter_is_a_value() {
        assert_eq!(parse::<u8>(&[("n", "7")]).unwrap(), 7);
        assert_eq!(parse::<String>(&[("n", "a b")]).unwrap(), "a b");
        assert_eq!(parse::<Room>(&[("n", "x")]).unwrap(), Room("x".into()));
        assert_eq!(parse::<Side>(&[("n", "right")]).unwrap(), Side::Right);
        assert_eq!(parse::<Even>(&[("n", "4")]).unwrap(), Even(4));
        assert_eq!(parse::<(f64,)>(&[("n", "-1.5")]).unwrap(), (-1.5,));
        assert!(parse::<bool>(&[("n", "true")]).unwrap());
    }

    #[test]
    fn several_are_a_tuple_a_struct_or_a_map() {
        let params = [("room", "a"), ("number", "3")];
        assert_eq!(parse::<(String, u8)>(&params).unwrap(), ("a".into(), 3));
        assert_eq!(parse::<Seat>(&params).unwrap(), Seat { place: Room("a".into()), number: Some(3) });
        assert_eq!(parse::<Vec<String>>(&params).unwrap(), ["a", "3"]);
        let map = parse::<BTreeMap<String, String>>(&params).unwrap();
        assert_eq!(map["number"], "3");
    }

    #[test]
    fn an_invalid_value_is_a_400_with_the_name_of_the_parameter() {
        let fault = |result: Result<(), Fault>| match result.unwrap_err() {
            Fault::Named { name, message } => (name, message),
            other => panic!("{other:?}"),
        };
        let params = [("room", "a"), ("number", "300")];
        assert_eq!(fault(parse::<(String, u8)>(&params).map(drop)).0, "number");
        assert_eq!(fault(parse::<Seat>(&params).map(drop)).0, "number");
        assert_eq!(
            fault(parse::<u8>(&[("n", "x")]).map(drop)),
            ("n".into(), "invalid digit found in string".into())
        );
        assert_eq!(fault(parse::<Side>(&[("n", "up")]).map(drop)).0, "n");
        assert_eq!(fault(parse::<(Even,)>(&[("n", "3")]).map(drop)), ("n".into(), "not even".into()));
        let of_the_whole = parse::<Even>(&[("n", "3")]).unwrap_err();
        assert!(matches!(&of_the_whole, Fault::Value(message) if message == "not even"), "{of_the_whole:?}");
    }

    #[test]
    fn a_type_that_does_not_fit_the_route_is_a_500() {
        let params = [("room", "a"), ("number", "3")];
        for result in [
            parse::<u8>(&params).map(drop),
            parse::<(String, u8, u8)>(&params).map(drop),
            parse::<Seat>(&[("number", "3")]).map(drop),
            parse::<Strict>(&params).map(drop),
        ] {
            assert!(matches!(result, Err(Fault::Mismatch(_))), "{result:?}");
        }
    }
}
