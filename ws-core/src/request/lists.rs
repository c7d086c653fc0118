//! Headers that are comma-separated lists (RFC 9110 section 5.6.1).

use http::{HeaderMap, HeaderName, Method, header};

/// Returns the tokens of a comma-separated header, from all its lines.
pub(crate) fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Whether `Upgrade` lists `websocket` and `Connection` lists `upgrade`, each as a token of a list,
/// case-insensitively (RFC 6455 section 4.2.1, points 3 and 4).
pub(crate) fn asks_for_upgrade(method: &Method, headers: &HeaderMap) -> bool {
    let names = |name, token: &str| tokens(headers, name).any(|value| value.eq_ignore_ascii_case(token));
    method == Method::GET && names(&header::UPGRADE, "websocket") && names(&header::CONNECTION, "upgrade")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn upgrade(name: &'static str, lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.remove(name);
        for line in lines {
            headers.append(name, HeaderValue::from_static(line));
        }
        asks_for_upgrade(&Method::GET, &headers)
    }

    #[test]
    fn upgrade_and_connection_are_lists_of_tokens() {
        assert!(upgrade("connection", &["keep-alive", "UPGRADE"]), "over two lines");
        assert!(upgrade("connection", &["keep-alive, Upgrade"]));
        assert!(!upgrade("connection", &["upgraded"]), "a substring is not a token");
        assert!(!upgrade("connection", &[]));
        assert!(upgrade("upgrade", &["h2c, WebSocket"]));
        assert!(!upgrade("upgrade", &["websockets"]));
        assert!(!upgrade("upgrade", &["not-websocket"]));
    }
}
