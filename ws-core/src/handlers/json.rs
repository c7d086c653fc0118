//! JSON values as they were received.

use serde::Deserialize;

use super::ParamError;

pub(super) fn decode<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, ParamError> {
    serde_json::from_str(raw).map_err(|error| ParamError::invalid("", error))
}

/// Whether a valid JSON value is a string or a number.
pub(super) fn is_reference(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}
