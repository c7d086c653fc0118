//! `[servers.proxy]`: the proxies that are trusted to name the client's address, and the form in
//! which they do it.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::units::{self, Listed};

/// The proxies in front of a server, and the form in which they name their clients.
///
/// The address that they name becomes the peer address: in
/// [`Handshake::peer_addr`](crate::Handshake::peer_addr), in the logs and in
/// `limits.connections_per_ip`. The same bytes from any other peer are ignored.
///
/// ```
/// use ws_core::{Config, config::ForwardedHeader};
///
/// let config = Config::from_toml_str(
///     r#"
///     [[servers]]
///     [servers.proxy]
///     trusted = ["10.0.0.0/8", "fd00::1"]
///     header = "x-forwarded-for"
///     "#,
///     "ws.toml",
/// )?;
/// assert_eq!(config.servers[0].proxy.header, ForwardedHeader::XForwardedFor);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Proxy {
    /// The proxies, as networks or single addresses; in the environment, separated by commas. Never
    /// list a network that clients can connect from. Default: none.
    #[serde(deserialize_with = "units::list")]
    pub trusted: Vec<Network>,
    /// Whether they send the PROXY protocol. Default: off.
    pub protocol: ProxyProtocol,
    /// The header in which they name the client. Default: off.
    pub header: ForwardedHeader,
}

impl Proxy {
    /// Whether neither the protocol nor the header is used.
    pub(crate) fn is_off(&self) -> bool {
        self.protocol == ProxyProtocol::Off && self.header == ForwardedHeader::Off
    }

    /// Whether this address is a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// Whether trusted proxies begin every stream with a header of the PROXY protocol
/// (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>).
///
/// ```
/// use ws_core::{Config, config::ProxyProtocol};
///
/// let text = "[[servers]]\nproxy = { trusted = [\"10.0.0.0/8\"], protocol = \"v1_or_v2\" }";
/// let config = Config::from_toml_str(text, "ws.toml")?;
/// assert_eq!(config.servers[0].proxy.protocol, ProxyProtocol::V1OrV2);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum ProxyProtocol {
    /// Streams begin without a header.
    #[default]
    #[serde(rename = "off")]
    Off,
    /// Streams of trusted proxies begin with a header of version 1 or 2; a stream without one is
    /// closed.
    #[serde(rename = "v1_or_v2")]
    V1OrV2,
}

/// The header in which trusted proxies name the client of a request.
///
/// ```
/// use ws_core::{Config, config::ForwardedHeader};
///
/// let text = "[[servers]]\nproxy = { trusted = [\"10.0.0.1\"], header = \"forwarded\" }";
/// let config = Config::from_toml_str(text, "ws.toml")?;
/// assert_eq!(config.servers[0].proxy.header, ForwardedHeader::Forwarded);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// No header is read.
    #[default]
    Off,
    /// `X-Forwarded-For`: each proxy appends the address of its own peer.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): each proxy appends one element.
    Forwarded,
}

/// A network in CIDR notation, `10.0.0.0/8`, or a single address.
///
/// ```
/// use ws_core::config::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()), "the address of a dual-stack socket");
/// # Ok::<(), ws_core::config::NotANetwork>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether the network contains this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The text is not a [`Network`].
///
/// ```
/// use ws_core::config::{Network, NotANetwork};
///
/// assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NotANetwork));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network, such as \"10.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\"")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let address = || text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
        text.parse().or_else(|_| address()).map(Self).map_err(|_| NotANetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.trim().parse().map_err(|error| D::Error::custom(format_args!("`{text}`: {error}")))
    }
}

impl Listed for Network {
    const LIST: &'static str = "networks such as [\"10.0.0.0/8\"]";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_cidr_or_one_address() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("fd00::/8", "10.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
        ];
        for (network, address, is_in) in cases {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), is_in, "{address} in {network}");
        }
        for wrong in ["", "10", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129", "localhost", "10.0.0.1:80", "*"] {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong:?}");
        }
    }
}
