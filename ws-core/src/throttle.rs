//! Limits for log lines that a peer can cause: [`Throttle`] limits their number, [`shown`] and
//! [`shown_lines`] shorten and escape the values in them.
//!
//! Each server has one throttle for each kind of warning, so the memory does not depend on the
//! number of peers.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::{fixed, sync::Mutex};

/// Allows one warning per [`fixed::WARNING_PAUSE`] and counts the skipped ones.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: Option<Instant>,
    skipped: u64,
}

impl Throttle {
    /// Returns the number of warnings skipped since the last one if a warning may be logged now;
    /// `None` otherwise.
    pub(crate) fn due(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if state.next.is_some_and(|next| now < next) {
            state.skipped = state.skipped.saturating_add(1);
            return None;
        }
        state.next = Some(now + fixed::WARNING_PAUSE);
        Some(std::mem::take(&mut state.skipped))
    }
}

/// Quotes and escapes a value from the network, at most [`fixed::SHOWN_BYTES`] of it.
pub(crate) fn shown(value: &[u8]) -> String {
    let (start, end) = match value.get(..fixed::SHOWN_BYTES) {
        Some(start) if start.len() < value.len() => (start, ".."),
        _ => (value, ""),
    };
    format!("\"{}\"{end}", start.escape_ascii())
}

/// Quotes the first two lines of a header; returns `none` if it is missing.
pub(crate) fn shown_lines(headers: &HeaderMap, name: &HeaderName) -> String {
    let mut lines = headers.get_all(name).iter();
    let Some(first) = lines.next() else { return "none".to_owned() };
    let mut text = shown(first.as_bytes());
    if let Some(second) = lines.next() {
        let _ = write!(text, ", {}", shown(second.as_bytes()));
    }
    if lines.next().is_some() {
        text.push_str(", ..");
    }
    text
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_warning_a_minute_is_due_and_the_next_one_counts_those_between() {
        let throttle = Throttle::default();
        assert_eq!(throttle.due(), Some(0));
        assert_eq!((throttle.due(), throttle.due()), (None, None));
        advance(fixed::WARNING_PAUSE).await;
        assert_eq!(throttle.due(), Some(2));
        assert_eq!(throttle.due(), None);
    }

    #[test]
    fn a_shown_value_is_one_short_line_of_ascii() {
        for (value, expected) in [
            (&b"https://a.b"[..], "\"https://a.b\""),
            (b"a\r\nWARN \"x\" \x1b[31m\xff", "\"a\\r\\nWARN \\\"x\\\" \\x1b[31m\\xff\""),
            (b"", "\"\""),
        ] {
            assert_eq!(shown(value), expected);
        }
        assert_eq!(shown(&[b'x'; 201]), format!("\"{}\"..", "x".repeat(200)));
        assert_eq!(shown(&[b'x'; 200]), format!("\"{}\"", "x".repeat(200)));
    }

    #[test]
    fn two_lines_of_a_repeated_header_are_shown() {
        let mut headers = HeaderMap::new();
        let mut check = |line: Option<&'static str>, expected: &str| {
            if let Some(line) = line {
                headers.append(header::HOST, HeaderValue::from_static(line));
            }
            assert_eq!(shown_lines(&headers, &header::HOST), expected);
        };
        check(None, "none");
        check(Some("a"), "\"a\"");
        check(Some("b"), "\"a\", \"b\"");
        check(Some("c"), "\"a\", \"b\", ..");
    }
}
