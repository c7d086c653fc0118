//! [`Query<T>`]: the query string as a struct.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use super::FromHandshake;
use crate::request::{Handshake, ParamError};

/// The query string of the handshake, such as `?size=3&tag=a&tag=b`. It is parsed once, before the
/// 101.
///
/// `T` is a struct or a map; a repeated key fills a `Vec`. If a parameter is missing or cannot be
/// parsed, the handshake is refused with 400 and the parameter's name. `Option<&Query<T>>` is
/// `None` if the URI has no query and `T` requires a parameter.
///
/// ```
/// use serde::Deserialize;
/// use ws_core::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Since {
///     id: u64,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// #[ws_controller(path = "/feed")]
/// struct Feed;
///
/// #[ws_handlers]
/// impl Feed {
///     #[on_open]
///     async fn resume(&self, since: Option<&Query<Since>>) -> String {
///         format!("from {}", since.map_or(0, |since| since.id))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> FromHandshake for Query<T> {
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        match (handshake.query(), parse(handshake.query().unwrap_or_default())) {
            (_, Ok(query)) => Ok(Self(query)),
            (Some(_), Err(error)) => Err(error),
            (None, Err(error)) => Err(ParamError::missing(format!("query ({})", error.public_text()))),
        }
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ParamError> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let deserializer = serde_html_form::Deserializer::new(pairs);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let what = match error.path().iter().len() {
            0 => "query".to_owned(),
            _ => format!("query parameter `{}`", error.path()),
        };
        ParamError::invalid(what, error.inner())
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Page {
        size: u8,
        #[serde(default)]
        tag: Vec<String>,
        sort: Option<String>,
    }

    #[test]
    fn a_query_is_a_struct() {
        let page: Page = parse("tag=a+b&size=3&tag=%C3%A9&other=1").unwrap();
        assert_eq!(page, Page { size: 3, tag: vec!["a b".into(), "é".into()], sort: None });
    }

    #[test]
    fn a_fault_names_the_parameter() {
        for (query, named) in
            [("size=x", "`size`"), ("size=256", "`size`"), ("", "`size`"), ("sort=a", "`size`")]
        {
            let error = parse::<Page>(query).unwrap_err().public_text();
            assert!(error.contains(named), "{query}: {error}");
        }
    }
}
