//! [`TrailingSlash`]: whether a `/` at the end of a path makes another path.

use serde::{Deserialize, Serialize};

/// Whether `/chat` and `/chat/` are one route.
///
/// Under either rule, `/` is the root alone, and a path that ends with `{*rest}` is left as it is:
/// `rest` takes a `/` at the end like any other character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrailingSlash {
    /// They are two, and a route has only the path that it says.
    #[default]
    Exact,
    /// They are one: a route has its path with and without `/` at the end. Another route with the
    /// other spelling is a start error.
    Either,
}
