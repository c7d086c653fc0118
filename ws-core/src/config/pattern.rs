//! [`OriginPattern`]: one entry of `allow`, its syntax and its comparison with the header `Origin`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    site::{self, Site},
    units::Listed,
};

/// One entry of [`Origin::allow`](super::Origin::allow).
///
/// | entry | allows |
/// |---|---|
/// | `https://app.example.com`, `http://localhost:8080` | this site; without a port, the default port of the scheme |
/// | `https://*.example.com` | every subdomain, at any depth, and not the host itself |
/// | `http://localhost:*` | every port |
/// | `moz-extension://*` | every origin of this scheme |
/// | anything else: `null`, `file://`, `https://example.com/a/path`, `device-7` | this value, compared byte for byte with the header |
///
/// ```
/// use ws_core::config::OriginPattern;
///
/// let pattern: OriginPattern = "https://*.example.com".parse()?;
/// assert_eq!(pattern.to_string(), "https://*.example.com");
/// assert!("https://a.*.example.com".parse::<OriginPattern>().is_err());
/// # Ok::<(), ws_core::config::OriginPatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginPattern(Pattern);

/// The text cannot match any `Origin` header.
///
/// ```
/// use ws_core::config::OriginPattern;
///
/// let error = "https://a.*.example.com".parse::<OriginPattern>().unwrap_err();
/// println!("{error}"); // with examples of what to write
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin pattern; write one such as \"https://app.example.com\", \"https://*.example.com\", \
     \"http://localhost:*\" or \"moz-extension://*\", or the header's value without `*`, in visible ASCII"
)]
pub struct OriginPatternError(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Site(SitePattern),
    /// Every origin of this scheme, in lower case.
    Scheme(String),
    /// The header's value, byte for byte.
    Exact(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SitePattern {
    site: Site,
    /// Whether it matches the subdomains of the host, at any depth, instead of the host itself.
    matches_subdomains: bool,
    matches_any_port: bool,
}

impl SitePattern {
    fn parse(text: &str) -> Option<Self> {
        let (rest, matches_any_port) = text.strip_suffix(":*").map_or((text, false), |rest| (rest, true));
        let subdomains = rest.split_once("://*.").map(|(scheme, host)| format!("{scheme}://{host}"));
        let matches_subdomains = subdomains.is_some();
        let site = Site::parse(subdomains.as_deref().unwrap_or(rest))?;
        (!matches_subdomains || !site.host.starts_with('[')).then_some(Self {
            site,
            matches_subdomains,
            matches_any_port,
        })
    }

    fn matches(&self, theirs: &Site) -> bool {
        let ours = &self.site;
        let is_host = if self.matches_subdomains {
            theirs.host.strip_suffix(&ours.host).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        } else {
            theirs.host == ours.host
        };
        is_host && theirs.scheme == ours.scheme && (self.matches_any_port || theirs.port == ours.port)
    }
}

impl OriginPattern {
    /// Whether the pattern matches this header value. `site` is the parsed value, if it is a site.
    pub(super) fn matches(&self, origin: &str, site: Option<&Site>) -> bool {
        match &self.0 {
            Pattern::Site(pattern) => site.is_some_and(|site| pattern.matches(site)),
            Pattern::Scheme(scheme) => {
                origin.split_once("://").is_some_and(|(theirs, _)| theirs.eq_ignore_ascii_case(scheme))
            }
            Pattern::Exact(text) => origin == text,
        }
    }
}

impl FromStr for OriginPattern {
    type Err = OriginPatternError;

    fn from_str(text: &str) -> Result<Self, OriginPatternError> {
        let pattern = if let Some(pattern) = SitePattern::parse(text) {
            Pattern::Site(pattern)
        } else if let Some(scheme) = text.strip_suffix("://*").filter(|scheme| site::is_scheme(scheme)) {
            Pattern::Scheme(scheme.to_ascii_lowercase())
        } else if is_header_value(text) && !text.contains('*') {
            Pattern::Exact(text.to_owned())
        } else {
            return Err(OriginPatternError(text.to_owned()));
        };
        Ok(Self(pattern))
    }
}

/// Whether a header can have this value. A host name beyond ASCII is refused, because browsers send
/// its ASCII form.
fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

impl TryFrom<String> for OriginPattern {
    type Error = OriginPatternError;

    fn try_from(text: String) -> Result<Self, OriginPatternError> {
        text.parse()
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SitePattern { site, matches_subdomains, matches_any_port } = match &self.0 {
            Pattern::Site(pattern) => pattern,
            Pattern::Scheme(scheme) => return write!(f, "{scheme}://*"),
            Pattern::Exact(text) => return f.write_str(text),
        };
        let below = if *matches_subdomains { "*." } else { "" };
        write!(f, "{}://{below}{}", site.scheme, site.host)?;
        match (matches_any_port, site.port) {
            (true, _) => f.write_str(":*"),
            (false, Some(port)) if !matches!((&*site.scheme, port), ("http", 80) | ("https", 443)) => {
                write!(f, ":{port}")
            }
            (false, _) => Ok(()),
        }
    }
}

impl From<OriginPattern> for String {
    fn from(pattern: OriginPattern) -> Self {
        pattern.to_string()
    }
}

impl Listed for OriginPattern {
    const LIST: &'static str = "origins such as [\"https://app.example.com\"]";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_written_as_it_is_read_and_a_wrong_one_is_refused() {
        for text in [
            "null",
            "https://a.b",
            "https://*.a.b",
            "http://a.b:8080",
            "http://*.a.b:*",
            "https://[::1]:1",
            "https://*",
            "chrome-extension://*",
            "a.b",
            "file://",
            "https://a.b/x",
            "http://127.0.0.1/",
        ] {
            assert_eq!(text.parse::<OriginPattern>().unwrap().to_string(), text);
        }
        for text in [
            "",
            " a",
            "*",
            "*://a.b",
            "1http://*",
            "https://*.",
            "https://*:*",
            "https://a.*.b",
            "https://*a.b",
            "https://a.b/*",
            "a\nb",
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(OriginPatternError(text.to_owned())));
        }
        assert!("https://*.[::1]".parse::<OriginPattern>().is_err());
        assert!("https://münchen.de".parse::<OriginPattern>().is_err());
    }
}
