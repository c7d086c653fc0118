//! [`TrailingSlash`]: whether a `/` at the end of a path makes it a different path.

use serde::{Deserialize, Serialize};

/// Whether `/chat` and `/chat/` are one route.
///
/// With both rules, `/` is only the root, and a path that ends with `{*rest}` is not changed:
/// `rest` matches a `/` at the end like any other character.
///
/// ```
/// use ws_core::{Controller, Route, config::TrailingSlash};
///
/// # struct Chat;
/// # impl Controller for Chat {}
/// let route = Route::new("/chat", Chat).trailing_slash(TrailingSlash::Either);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrailingSlash {
    /// They are two routes: each matches only the path as written.
    #[default]
    Exact,
    /// They are one route that matches with and without `/` at the end. A second route with the
    /// other spelling is a start error.
    Either,
}
