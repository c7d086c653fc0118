//! `[servers.origin]`: the web pages that may open a connection from a browser (RFC 6455 section
//! 10.2).

use serde::{Deserialize, Serialize};

use super::{
    pattern::OriginPattern,
    site::{self, Site},
    units,
};

/// The web pages that may open a connection.
///
/// A browser lets any page open a WebSocket to any server. It sends the user's cookies, and the
/// page's origin in the header `Origin`. A handshake whose `Origin` is not allowed is refused with
/// 403, before routing. A handshake without `Origin` is accepted: it does not come from a browser,
/// and another program could send any value.
///
/// Some programs that are not browsers also send an `Origin`: `file://`, or the URL of the library
/// that they use. They are checked like a page; list the value as it is sent.
///
/// ```
/// use ws_core::Config;
///
/// let config = Config::from_toml_str(
///     r#"
///     [[servers]]
///     [servers.origin]
///     policy = "listed"
///     allow = ["https://app.example.com", "https://*.example.org", "http://localhost:*"]
///     "#,
///     "ws.toml",
/// )?;
/// assert_eq!(config.servers[0].origin.allow.len(), 3);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Origin {
    /// The origins that may connect in addition to `allow`. Default: pages of the same host.
    pub policy: OriginPolicy,
    /// Further origins that may connect, each an [`OriginPattern`]: `"https://app.example.com"`,
    /// `"https://*.example.com"`, `"http://localhost:*"`, `"moz-extension://*"`; anything else,
    /// such as `"file://"` or `"null"`, is compared with the header byte for byte. A browser's
    /// origin has no `/` at its end. In the environment, separated by commas. Default: none.
    #[serde(deserialize_with = "units::list")]
    pub allow: Vec<OriginPattern>,
}

/// The origins that may connect in addition to the listed ones.
///
/// ```
/// use ws_core::{Config, config::OriginPolicy};
///
/// let text = "[[servers]]\norigin = { policy = \"listed\", allow = [\"https://app.example.com\"] }";
/// let config = Config::from_toml_str(text, "ws.toml")?;
/// assert_eq!(config.servers[0].origin.policy, OriginPolicy::Listed);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Pages of the host that the handshake is addressed to (`Host`, or an absolute request
    /// target). Scheme and port are not compared: a page on port 9501 may connect to a socket on
    /// 9502. A proxy in front must forward `Host` unchanged, or send the host in `X-Forwarded-Host`
    /// or in `host=` of `Forwarded` and be [trusted](super::Proxy) with that header.
    ///
    /// An attacker can make a domain name resolve to this machine (DNS rebinding); its pages then
    /// count as the same host. A server that only this machine should use, or that does not check
    /// its clients, should list its pages: [`Listed`](Self::Listed).
    #[default]
    SameHost,
    /// No further origins.
    Listed,
    /// All origins: no page is refused, and no token is read from a cookie.
    Any,
}

impl Origin {
    /// Whether the header `Origin` is checked.
    pub(crate) fn is_on(&self) -> bool {
        self.policy != OriginPolicy::Any
    }

    /// Whether a page of this origin may connect to a server that was addressed with one of these
    /// authorities.
    pub(crate) fn permits(&self, origin: &str, authorities: &[&str]) -> bool {
        if !self.is_on() {
            return true;
        }
        let site = Site::parse(origin);
        let is_listed = self.allow.iter().any(|pattern| pattern.matches(origin, site.as_ref()));
        let is_same_host = self.policy == OriginPolicy::SameHost
            && site.is_some_and(|site| {
                authorities.iter().any(|authority| site::host(authority).as_ref() == Some(&site.host))
            });
        is_listed || is_same_host
    }

    /// Checks the rules that the types do not express.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self.policy {
            OriginPolicy::Any if !self.allow.is_empty() => {
                Err("`origin.allow` has no effect with `origin.policy = \"any\"`; remove one of them")
            }
            OriginPolicy::Listed if self.allow.is_empty() => {
                Err("`origin.policy = \"listed\"` lets no page in; list some in `origin.allow`")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(policy: OriginPolicy, allow: &[&str]) -> Origin {
        Origin { policy, allow: allow.iter().map(|pattern| pattern.parse().unwrap()).collect() }
    }

    #[test]
    fn same_host_compares_hosts_and_neither_scheme_nor_port() {
        let policy = policy(OriginPolicy::SameHost, &[]);
        for (origin, host, expected) in [
            ("https://example.com", "example.com", true),
            ("http://example.com:9501", "example.com:9502", true),
            ("https://EXAMPLE.com", "example.com.", true),
            ("http://127.0.0.1:9501", "127.0.0.1:9502", true),
            ("http://[::1]:9501", "[0:0::1]:9502", true),
            ("https://evil.com", "example.com", false),
            ("https://example.com.evil.com", "example.com", false),
            ("https://evil-example.com", "example.com", false),
            ("https://app.example.com", "example.com", false),
            ("https://example.com", "app.example.com", false),
            ("http://localhost", "127.0.0.1", false),
            ("https://example.com@evil.com", "example.com", false),
            ("https://example.com/", "example.com", false),
            ("https://example.com https://evil.com", "example.com", false),
            ("example.com", "example.com", false),
            ("null", "example.com", false),
            ("null", "null", false),
            ("", "example.com", false),
            ("https://example.com", "user@example.com", false),
            ("https://example.com", "", false),
        ] {
            assert_eq!(policy.permits(origin, &[host]), expected, "{origin:?} to {host:?}");
        }
        assert!(!policy.permits("https://example.com", &[]), "without a host no page has the same one");
    }

    #[test]
    fn patterns_name_scheme_host_and_port() {
        let listed =
            |pattern, origin| policy(OriginPolicy::Listed, &[pattern]).permits(origin, &["here.com"]);
        for (pattern, yes, no) in [
            (
                "https://app.example.com",
                &["https://app.example.com", "https://APP.example.com:443"][..],
                &["http://app.example.com", "https://app.example.com:8443", "https://x.app.example.com"][..],
            ),
            (
                "https://*.example.com",
                &["https://a.example.com", "https://a.b.example.com"],
                &[
                    "https://example.com",
                    "https://evilexample.com",
                    "http://a.example.com",
                    "https://.example.com",
                ],
            ),
            (
                "http://localhost:*",
                &["http://localhost", "http://localhost:5173"],
                &["https://localhost", "http://localhost.evil.com:5173", "http://a.localhost"],
            ),
            ("https://*.example.com:*", &["https://a.example.com:1"], &["https://example.com:1"]),
            ("http://[::1]:3000", &["http://[0::1]:3000"], &["http://[::1]", "http://[::2]:3000"]),
            ("capacitor://localhost", &["capacitor://localhost"], &["http://localhost"]),
            ("null", &["null"], &["https://null", "Null", ""]),
            ("file://", &["file://"], &["file:///", "FILE://", "file://x", "null"]),
            ("http://127.0.0.1/", &["http://127.0.0.1/"], &["http://127.0.0.1", "http://127.0.0.1/x"]),
            (
                "https://github.com/some/path",
                &["https://github.com/some/path"],
                &["https://github.com", "https://github.com/some", "https://GitHub.com/some/path"],
            ),
            ("device-7", &["device-7"], &["device-70", "Device-7", "https://device-7"]),
            (
                "moz-extension://*",
                &["moz-extension://6a1b2c3d-0000", "MOZ-extension://x", "moz-extension://"],
                &["chrome-extension://6a1b2c3d-0000", "x-moz-extension://a", "moz-extension:a", "null"],
            ),
            ("https://*", &["https://a.b", "https://a.b:1", "https://a.b/c"], &["http://a.b", "https:a.b"]),
            ("https://x.com", &["https://x.com"], &["null", "https://here.com"]),
        ] {
            for origin in yes {
                assert!(listed(pattern, origin), "{pattern} permits {origin}");
            }
            for origin in no {
                assert!(!listed(pattern, origin), "{pattern} refuses {origin:?}");
            }
        }
    }

    #[test]
    fn a_list_comes_on_top_of_the_same_host_and_any_is_anybody() {
        let both = policy(OriginPolicy::SameHost, &["https://app.com"]);
        assert!(both.permits("https://app.com", &["here.com"]));
        assert!(both.permits("https://here.com", &["there.com", "here.com"]));
        let any = policy(OriginPolicy::Any, &[]);
        for origin in ["null", "https://evil.com", "nonsense"] {
            assert!(any.permits(origin, &[]), "{origin}");
        }
    }
}
