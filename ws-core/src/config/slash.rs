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
    /// They are two routes: each has only the path as it is written.
    #[default]
    Exact,
    /// They are one route, found with and without `/` at the end. A second route with the other
    /// spelling is a start error.
    Either,
}
