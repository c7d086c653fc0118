//! Where an item is registered and where it applies: [`Location`], [`Scope`], the names of types,
//! and the syntax of route paths. This module has no other dependencies, so that every layer can
//! use it.

use std::{any::TypeId, fmt};

/// Where something was registered.
///
/// ```
/// # use ws_core::{App, Controller};
/// # struct Echo;
/// # impl Controller for Echo {}
/// let routes = App::without_registry().controller("/echo", Echo).routes();
/// println!("{}", routes[0].location); // src/main.rs:7
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The module path; empty for an item that is registered by a call.
    pub module: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line of the attribute or of the call.
    pub line: u32,
}

impl Location {
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let caller = std::panic::Location::caller();
        Self { module: "", file: caller.file(), line: caller.line() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where a middleware or an interceptor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every route of a server. Middleware also runs for its unknown paths.
    Server {
        /// The server's name.
        server: &'static str,
        /// The position among those of the server; the lowest is outermost.
        order: i32,
    },
    /// Only on the routes of controllers that name it.
    Route,
}

/// The reaction to a client that offers subprotocols when the route supports none of them.
///
/// ```
/// use ws_core::{Controller, Route, handshake::SubprotocolMismatch};
///
/// # struct Chat;
/// # impl Controller for Chat {}
/// let route = Route::new("/chat", Chat)
///     .subprotocols(&["chat.v1"])
///     .subprotocol_mismatch(SubprotocolMismatch::Refuse);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubprotocolMismatch {
    /// The connection opens without a subprotocol (RFC 6455 section 4.2.2 leaves the decision to
    /// the client).
    #[default]
    Accept,
    /// The handshake is refused with 400.
    Refuse,
}

/// Returns the path of an attribute, which is always there.
pub const fn path_of(path: Option<&'static str>) -> &'static str {
    match path {
        Some(path) => path,
        None => "",
    }
}

/// Returns the type of a function item.
pub fn type_id_of<T: 'static>(_: &T) -> TypeId {
    TypeId::of::<T>()
}

/// Returns the last segment of a type's path, without its type parameters, whose paths have
/// segments, too.
pub(crate) fn short_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

/// Returns the path with a `/` added at the end, or with its last `/` removed. Returns `None` for
/// the root, and for a path that ends with `{*rest}`, which matches the `/` itself.
pub(crate) fn other_spelling(path: &str) -> Option<String> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(shorter) => Some(shorter.to_owned()),
        None => {
            let last = path.rsplit('/').next().unwrap_or_default();
            // `{{` is an escaped brace.
            let takes_rest = last.replace("{{", "").contains("{*");
            (!takes_rest).then(|| format!("{path}/"))
        }
    }
}

/// Returns the number of parameters of a path. `{{` is an escaped brace.
pub(crate) const fn parameters(path: &str) -> usize {
    let (mut bytes, mut count) = (path.as_bytes(), 0);
    loop {
        bytes = match bytes {
            [] => return count,
            [b'{', b'{', rest @ ..] => rest,
            [b'{', rest @ ..] => {
                count += 1;
                rest
            }
            [_, rest @ ..] => rest,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_spelling_differs_by_the_last_slash() {
        let cases = [
            ("/", None),
            ("/a", Some("/a/")),
            ("/a/", Some("/a")),
            ("/a/{b}", Some("/a/{b}/")),
            ("/a/{b}/", Some("/a/{b}")),
            ("/a/{*rest}", None),
            ("/{*rest}", None),
            ("/a/{{*rest}}", Some("/a/{{*rest}}/")),
        ];
        for (path, expected) in cases {
            assert_eq!(other_spelling(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn doubled_braces_are_not_parameters() {
        let cases = [
            ("/", 0),
            ("/{room}", 1),
            ("/{room}/{*rest}", 2),
            ("/{{room}}", 0),
            ("/{{{room}}}", 1),
            ("/{{/{room}", 1),
        ];
        for (path, expected) in cases {
            assert_eq!(parameters(path), expected, "{path}");
        }
    }

    #[test]
    fn a_type_is_called_by_its_own_name() {
        assert_eq!(short_name::<Option<std::string::String>>(), "Option");
        assert_eq!(short_name::<Location>(), "Location");
    }
}
