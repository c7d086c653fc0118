//! [`Valid<P>`]: a parameter that is validated after it is decoded.

use std::ops::Deref;

use serde::{Deserialize, de::DeserializeOwned};
use validator::{Validate, ValidationErrors};

use super::{Data, FromHandshake, Input, Json, Param, Query, Takes};
use crate::request::{Handshake, ParamError, Setup};

/// A parameter that is validated: [`Data<T>`], [`Json<T>`] or [`Query<T>`] with a `T` that
/// implements [`validator::Validate`](https://docs.rs/validator).
///
/// If a rule fails, the handler is not called and the client gets an error with the code
/// `invalid_data`. Its `fields` has a list for each field: the message of each failed rule, or the
/// code of a rule without a message. Fields have their Rust names, even if serde renames them. If a
/// rule fails for a query, the handshake is refused with 400.
///
/// ```
/// use serde::Deserialize;
/// use validator::Validate;
/// use ws_core::{handlers::Valid, prelude::*};
///
/// #[derive(Deserialize, Validate)]
/// struct Say {
///     #[validate(length(min = 1, max = 500, message = "1 to 500 characters"))]
///     text: String,
/// }
///
/// struct Room;
///
/// #[ws_handlers]
/// impl Room {
///     #[on_event("say")]
///     async fn say(&self, Valid(Data(say)): Valid<Data<Say>>) -> Data<usize> {
///         Data(say.text.len())
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valid<P>(pub P);

impl<P> Deref for Valid<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0
    }
}

macro_rules! valid {
    ($($wrapper:ident)*) => {$(
        impl<'a, T: Deserialize<'a> + Validate> Param<'a> for Valid<$wrapper<T>> {
            type Kept = ();

            const TAKES: Takes = <$wrapper<T> as Param<'a>>::TAKES;

            fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
                Ok(())
            }

            fn get(kept: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
                let taken = <$wrapper<T> as Param<'a>>::get(kept, input)?;
                match taken.0.validate() {
                    Ok(()) => Ok(Self(taken)),
                    Err(errors) => Err(broken(&errors)),
                }
            }
        }
    )*};
}

valid!(Data Json);

impl<T: DeserializeOwned + Validate + Send + Sync + 'static> FromHandshake for Valid<Query<T>> {
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        let query = Query::<T>::from_handshake(handshake)?;
        match query.0.validate() {
            Ok(()) => Ok(Self(query)),
            Err(errors) => Err(ParamError::invalid("query", listed(&fields(&errors)))),
        }
    }
}

impl<'a, T> Param<'a> for Valid<Query<T>>
where
    Self: FromHandshake + Clone,
{
    type Kept = Self;

    fn keep(setup: &Setup<'_>) -> Result<Self, ParamError> {
        Self::from_handshake(setup.handshake())
    }

    fn get(kept: &'a Self, _: &mut Input<'a>) -> Result<Self, ParamError> {
        Ok(kept.clone())
    }
}

/// Writes the faults as text, because the response to a handshake has no `fields`.
fn listed(fields: &serde_json::Value) -> String {
    let faults = fields.as_object().into_iter().flatten();
    let words = faults.map(|(field, faults)| match faults.as_array() {
        Some(list) => {
            let list: Vec<_> = list.iter().filter_map(serde_json::Value::as_str).collect();
            format!("`{field}`: {}", list.join(", "))
        }
        None => format!("`{field}`: {faults}"),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Makes the error with the faults by field. Faults of nested values stay nested.
fn broken(errors: &ValidationErrors) -> ParamError {
    ParamError::Invalid {
        what: "".into(),
        path: String::new(),
        message: "the data breaks a rule".to_owned(),
        fields: fields(errors),
    }
}

fn fields(errors: &ValidationErrors) -> serde_json::Value {
    use validator::ValidationErrorsKind as Kind;

    let of = |kind: &Kind| match kind {
        Kind::Field(faults) => faults
            .iter()
            .map(|fault| fault.message.as_ref().unwrap_or(&fault.code).to_string())
            .collect::<Vec<_>>()
            .into(),
        Kind::Struct(nested) => fields(nested),
        Kind::List(items) => items
            .iter()
            .map(|(at, nested)| (at.to_string(), fields(nested)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    };
    let faults: serde_json::Map<String, serde_json::Value> =
        errors.errors().iter().map(|(field, kind)| (field.to_string(), of(kind))).collect();
    faults.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(rename_all = "camelCase")]
    struct Order {
        #[validate(length(min = 1, message = "may not be empty"))]
        ship_to: String,
        #[validate(range(max = 9))]
        count: u8,
        #[validate(nested)]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, Validate)]
    struct Item {
        #[validate(length(max = 3), contains(pattern = "x"))]
        name: String,
    }

    #[test]
    fn faults_come_by_field_with_the_message_or_the_code() {
        for (data, expected) in [
            (json!({"shipTo": "a", "count": 9, "items": [{"name": "x"}]}), None),
            (
                json!({"shipTo": "", "count": 10, "items": []}),
                Some(json!({"ship_to": ["may not be empty"], "count": ["range"]})),
            ),
            (
                json!({"shipTo": "a", "count": 1, "items": [{"name": "x"}, {"name": "long"}]}),
                Some(json!({"items": {"1": {"name": ["length", "contains"]}}})),
            ),
        ] {
            let order: Order = serde_json::from_value(data.clone()).unwrap();
            let faults = order.validate().map_err(|errors| broken(&errors));
            match (faults, expected) {
                (Ok(()), None) => {}
                (Err(ParamError::Invalid { fields, .. }), Some(expected)) => {
                    assert_eq!(fields, expected, "{data}")
                }
                (result, expected) => panic!("{data}: {result:?}, expected {expected:?}"),
            }
        }
    }
    #[test]
    fn a_query_that_breaks_a_rule_names_the_parameter() {
        let check = |query: &str| {
            let request = http::Request::builder().uri(format!("/x?{query}")).body(()).unwrap();
            let handshake = Handshake::new(request.into_parts().0, "ws".into(), None);
            Valid::<Query<Item>>::from_handshake(&handshake).map_err(|error| error.public_text())
        };
        assert_eq!(check("name=axe").unwrap().name, "axe");
        assert_eq!(check("name=long").unwrap_err(), "query: `name`: length, contains");
    }
}
