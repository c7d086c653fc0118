//! [`Head`]: method, target and headers of a request. It is a parsed request during the handshake
//! and one block of bytes afterwards.
//!
//! A header map takes about a hundred bytes per header, and its values keep the read buffer of the
//! request alive. Most callbacks read one or two headers, or none. An open connection therefore
//! keeps only the text of the head. The map and the `Uri` are parsed again from that text, each
//! once, when it is requested.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::tokens;

/// A request without its body.
pub(super) enum Head {
    Whole(Box<Whole>),
    Kept(Kept),
}

/// The parsed request.
pub(super) struct Whole {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Set when a bearer token is requested; then a 401 names the scheme. It is dropped with the
    /// handshake.
    bearer_asked: Option<Arc<AtomicBool>>,
}

/// The request as text: the target, then a line `name:value` for each header. None of them contains
/// a line feed.
pub(super) struct Kept {
    block: Box<[u8]>,
    /// Offsets in the block: the start of the path, the start of the query (its `?`), and the end
    /// of the target.
    path: u32,
    query: u32,
    headers: u32,
    parsed: OnceLock<Box<Parsed>>,
}

/// The parts of the request that were requested.
#[derive(Default)]
struct Parsed {
    uri: OnceLock<Uri>,
    headers: OnceLock<HeaderMap>,
}

impl Head {
    pub(super) fn new(method: Method, uri: Uri, headers: HeaderMap) -> Self {
        Self::Whole(Box::new(Whole { method, uri, headers, bearer_asked: None }))
    }

    /// Converts it to the form that takes the least memory.
    pub(super) fn compact(&mut self) {
        // `Kept` stores no method: it is GET, unless a custom core step accepted another one. Such
        // a head stays whole.
        if let Self::Whole(whole) = self
            && whole.method == Method::GET
            && let Some(kept) = Kept::new(whole)
        {
            *self = Self::Kept(kept);
        }
    }

    /// Stores the flag that is set when a bearer token is requested.
    pub(super) fn watch_bearer(&mut self, asked: Arc<AtomicBool>) {
        if let Self::Whole(whole) = self {
            whole.bearer_asked = Some(asked);
        }
    }

    pub(super) fn note_bearer_request(&self) {
        if let Self::Whole(whole) = self
            && let Some(asked) = &whole.bearer_asked
        {
            asked.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn method(&self) -> &Method {
        match self {
            Self::Whole(whole) => &whole.method,
            Self::Kept(_) => &Method::GET,
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        match self {
            Self::Whole(whole) => &whole.uri,
            Self::Kept(kept) => kept.parsed().uri.get_or_init(|| kept.parse_uri()),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Whole(whole) => &whole.headers,
            Self::Kept(kept) => kept.parsed().headers.get_or_init(|| kept.parse_headers()),
        }
    }

    pub(super) fn path(&self) -> &str {
        match self {
            Self::Whole(whole) => whole.uri.path(),
            Self::Kept(kept) => kept.text(kept.path, kept.query),
        }
    }

    pub(super) fn query(&self) -> Option<&str> {
        match self {
            Self::Whole(whole) => whole.uri.query(),
            Self::Kept(kept) => kept.text(kept.query, kept.headers).strip_prefix('?'),
        }
    }

    /// The values of a header, in order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let (whole, kept) = match self {
            Self::Whole(whole) => (Some(whole), None),
            Self::Kept(kept) => (None, Some(kept)),
        };
        let whole = whole.into_iter().flat_map(move |whole| whole.headers.get_all(name));
        let kept = kept.into_iter().flat_map(Kept::lines);
        let kept = kept.filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        whole.map(HeaderValue::as_bytes).chain(kept.map(|(_, value)| value))
    }
}

impl Kept {
    /// Returns `None` if the target is longer than 4 GiB.
    fn new(whole: &Whole) -> Option<Self> {
        let target = whole.uri.to_string();
        let query = whole.uri.query().map_or(0, |query| query.len() + 1);
        let query = target.len() - query;
        let path = query - whole.uri.path().len();
        let lines = || whole.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let size = target.len() + lines().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
        let mut block = Vec::with_capacity(size);
        block.extend_from_slice(target.as_bytes());
        for (name, value) in lines() {
            for part in [name.as_bytes(), b":", value, b"\n"] {
                block.extend_from_slice(part);
            }
        }
        Some(Self {
            path: path.try_into().ok()?,
            query: query.try_into().ok()?,
            headers: target.len().try_into().ok()?,
            block: block.into(),
            parsed: OnceLock::new(),
        })
    }

    /// A part of the target. The target is a `Uri`, so it is valid UTF-8.
    fn text(&self, from: u32, to: u32) -> &str {
        let bytes = self.block.get(from as usize..to as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.block.get(self.headers as usize..).unwrap_or_default();
        lines.split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((line.get(..colon)?, line.get(colon + 1..)?))
        })
    }

    fn parsed(&self) -> &Parsed {
        self.parsed.get_or_init(Box::default)
    }

    fn parse_uri(&self) -> Uri {
        self.text(0, self.headers).parse().unwrap_or_default()
    }

    fn parse_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.lines() {
            // Both were a valid name and a valid value before, so this does not fail.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        tokens::hide(&mut headers);
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, lines: &[(&str, &[u8])]) -> Head {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        Head::new(Method::GET, target.parse().unwrap(), headers)
    }

    fn seen(head: &Head) -> impl PartialEq + std::fmt::Debug + use<> {
        let values: Vec<Vec<Vec<u8>>> = ["Cookie", "x-a", "X-Empty", "host", "none", ""]
            .map(|name| head.values(name).map(<[u8]>::to_vec).collect())
            .into();
        (head.path().to_owned(), head.query().map(str::to_owned), values)
    }

    #[test]
    fn the_kept_head_returns_the_same_values() {
        let lines: &[(&str, &[u8])] = &[
            ("host", b"example.com:9502"),
            ("cookie", b"a=1; b=2"),
            ("x-a", b"one: two"),
            ("cookie", b"c=\xff\t3"),
            ("x-empty", b""),
        ];
        for target in [
            "/",
            "/chat",
            "/chat?",
            "/a%20b?token=x&y=%3f?",
            "http://example.com/x?y",
            "http://example.com",
            "*",
        ] {
            let (whole, mut kept) = (head(target, lines), head(target, lines));
            kept.compact();
            assert!(matches!(kept, Head::Kept(_)), "{target}");
            assert_eq!(seen(&kept), seen(&whole), "{target}");
            let parts = |head: &Head| (head.method().clone(), head.uri().clone(), head.headers().clone());
            assert_eq!(parts(&kept), parts(&whole), "{target}");
        }
    }

    #[test]
    fn tokens_are_hidden_in_a_restored_map() {
        let mut kept = head("/", &[("authorization", b"Bearer secret"), ("cookie", b"session=secret")]);
        kept.compact();
        assert!(!format!("{:?}", kept.headers()).contains("secret"));
    }
}
