//! Parameters that take the message: the `data` of its event, or the whole message.

use std::ops::Deref;

use bytes::Bytes;
use serde::Deserialize;

use super::{Input, Param, Takes, param::read_for_each_callback};
use crate::{
    envelope::decode_json,
    request::{ParamError, Setup},
    wire::{Message, Text},
};

/// The `data` of an event: decoded as a parameter, encoded as a reply.
///
/// As a parameter it is decoded once, by serde, directly from the message. A `T` that borrows
/// (`Data<Say<'_>>`) copies no text. Declare borrowed fields as `#[serde(borrow)] Cow<'a, str>`: a
/// field `&'a str` rejects every string with a JSON escape (`"\n"`, `"\u00e9"`), because the
/// unescaped text is not in the message.
///
/// An event without `data` has the data `null`. `Data<Option<T>>`, `Data<()>` and other types that
/// accept `null` therefore need no data. `Option<Data<T>>` is `None` in both cases.
///
/// If decoding fails, the handler is not called; the client gets an error with the code
/// `invalid_data` and the path of the field. As a reply, the data is sent under the event and with
/// the `ref` of the call.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_core::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Add {
///     left: i64,
///     right: i64,
/// }
///
/// #[derive(Debug, PartialEq, Serialize)]
/// struct Sum(i64);
///
/// struct Calculator;
///
/// #[ws_handlers]
/// impl Calculator {
///     #[on_event("add")]
///     async fn add(&self, Data(add): Data<Add>) -> Data<Sum> {
///         Data(Sum(add.left + add.right))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// A whole message as JSON: decoded as a parameter, encoded as a text message as a reply.
///
/// For clients that do not use the envelope. As a parameter of `#[on_text]`, `#[on_binary]` or
/// `#[on_message]` it decodes the message. If decoding fails, the client gets an error with the
/// code `invalid_data`.
///
/// ```
/// use serde::Deserialize;
/// use ws_core::{handlers::Json, prelude::*};
///
/// #[derive(Deserialize)]
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// # struct Map;
/// #[ws_handlers]
/// impl Map {
///     /// `{"x": 1, "y": 2}`, without an envelope.
///     #[on_text]
///     async fn moved(&self, Json(point): Json<Point>) {
///         println!("{}, {}", point.x, point.y);
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Deref for Data<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'a, T: Deserialize<'a>> Param<'a> for Data<T> {
    type Kept = ();

    const TAKES: Takes = Takes::Data;

    fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
        Ok(())
    }

    fn get(_: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
        input.decode_data().map(Self)
    }
}

impl<'a, T: Deserialize<'a>> Param<'a> for Json<T> {
    type Kept = ();

    const TAKES: Takes = Takes::Message;

    fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
        Ok(())
    }

    fn get(_: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
        let text = match input.borrow_message()? {
            Message::Text(text) => text.as_str(),
            Message::Binary(bytes) => {
                std::str::from_utf8(bytes).map_err(|error| ParamError::invalid("", error))?
            }
        };
        Ok(Self(decode_json(text)?))
    }
}

fn not_text() -> ParamError {
    ParamError::invalid("", "text is expected here")
}

read_for_each_callback! {
    Message, takes Message: |input| input.take_message();
    Bytes, takes Message: |input| input.take_message().map(Message::into_bytes);
    Text, takes Text: |input| match input.take_message()? {
        Message::Text(text) => Ok(text),
        Message::Binary(_) => Err(not_text()),
    };
    &'a str, takes Text: |input| input.borrow_message()?.as_text().ok_or_else(not_text);
}
