//! [`OriginPattern`]: the pages that `allow` names, and how they are written.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{site::Site, units::Listed};

/// One entry of [`Origin::allow`](super::Origin::allow).
///
/// ```
/// use ws_core::config::OriginPattern;
///
/// let pattern: OriginPattern = "https://*.example.com".parse()?;
/// assert_eq!(pattern.to_string(), "https://*.example.com");
/// assert!("example.com".parse::<OriginPattern>().is_err());
/// # Ok::<(), ws_core::config::OriginPatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginPattern(Pattern);

/// No pattern of origins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no origin; expected such as \"https://app.example.com\", \"https://*.example.com\", \
     \"http://localhost:*\" or \"null\", names in their ASCII form"
)]
pub struct OriginPatternError(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// Pages without an origin of their own: sandboxed frames, files. They are anybody's.
    Null,
    Site(SitePattern),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SitePattern {
    site: Site,
    /// The subdomains of the host, at any depth, and not the host itself.
    is_of_subdomains: bool,
    is_of_any_port: bool,
}

impl SitePattern {
    fn matches(&self, theirs: &Site) -> bool {
        let ours = &self.site;
        let is_host = if self.is_of_subdomains {
            theirs.host.strip_suffix(&ours.host).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        } else {
            theirs.host == ours.host
        };
        is_host && theirs.scheme == ours.scheme && (self.is_of_any_port || theirs.port == ours.port)
    }
}

impl OriginPattern {
    pub(super) fn is_null(&self) -> bool {
        self.0 == Pattern::Null
    }

    pub(super) fn matches(&self, theirs: &Site) -> bool {
        matches!(&self.0, Pattern::Site(pattern) if pattern.matches(theirs))
    }
}

impl FromStr for OriginPattern {
    type Err = OriginPatternError;

    fn from_str(text: &str) -> Result<Self, OriginPatternError> {
        if text == "null" {
            return Ok(Self(Pattern::Null));
        }
        let (rest, is_of_any_port) = text.strip_suffix(":*").map_or((text, false), |rest| (rest, true));
        let subdomains = rest.split_once("://*.").map(|(scheme, host)| format!("{scheme}://{host}"));
        let is_of_subdomains = subdomains.is_some();
        Site::parse(subdomains.as_deref().unwrap_or(rest))
            .filter(|site| !(is_of_subdomains && site.host.starts_with('[')))
            .map(|site| Self(Pattern::Site(SitePattern { site, is_of_subdomains, is_of_any_port })))
            .ok_or_else(|| OriginPatternError(text.to_owned()))
    }
}

impl TryFrom<String> for OriginPattern {
    type Error = OriginPatternError;

    fn try_from(text: String) -> Result<Self, OriginPatternError> {
        text.parse()
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pattern::Site(SitePattern { site, is_of_subdomains, is_of_any_port }) = &self.0 else {
            return f.write_str("null");
        };
        let below = if *is_of_subdomains { "*." } else { "" };
        write!(f, "{}://{below}{}", site.scheme, site.host)?;
        match (is_of_any_port, site.port) {
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
        for text in
            ["null", "https://a.b", "https://*.a.b", "http://a.b:8080", "http://*.a.b:*", "https://[::1]:1"]
        {
            assert_eq!(text.parse::<OriginPattern>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "*",
            "a.b",
            "https://",
            "https://*",
            "https://*.",
            "https://a.*.b",
            "https://*a.b",
            "https://a.b/x",
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(OriginPatternError(text.to_owned())));
        }
        assert!("https://*.[::1]".parse::<OriginPattern>().is_err());
        assert!("https://münchen.de".parse::<OriginPattern>().is_err());
    }
}
