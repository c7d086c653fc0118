//! [`Valid<P>`]: a parameter whose type knows its own rules.

use std::ops::Deref;

use serde::Deserialize;
use validator::{Validate, ValidationErrors};

use super::{Data, Input, Json, Param, ParamError, Setup, Takes};

/// A parameter that is checked by its own rules: [`Data<T>`] or [`Json<T>`] with a `T` that implements
/// [`validator::Validate`](https://docs.rs/validator).
///
/// What breaks a rule is answered with the code `invalid_data` and, in `fields`, the messages of each field; the handler is not called.
///
/// ```
/// use serde::Deserialize;
/// use validator::Validate;
/// use ws_core::{Valid, prelude::*};
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

/// The faults by field; those of nested values stay nested.
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
