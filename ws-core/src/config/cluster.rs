//! `[cluster]`: the broker that connects the hubs of several processes.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::units;

/// The broker that connects this process to the other processes of the application, its nodes.
///
/// Without this section a process is alone: [`Config::cluster`](super::Config::cluster) is `None`.
/// With it, pushes and disconnects of the [`Hub`](crate::Hub) reach the connections of all nodes.
/// All processes with the same broker and the same `prefix` are one application.
///
/// ```
/// use ws_core::Config;
///
/// let config = Config::from_toml_str(
///     r#"
///     [cluster]
///     kind = "redis"
///     url = "redis://127.0.0.1:6379"
///     "#,
///     "ws.toml",
/// )?;
/// assert_eq!(config.cluster.unwrap().prefix, "ws");
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Cluster {
    /// The kind of the broker. Default `redis`.
    pub kind: BrokerKind,
    /// The address of the broker, with its user and password: `redis://user:password@host:6379` or
    /// `rediss://..` for TLS; `nats://user:password@host:4222`, `nats://token@host:4222` or
    /// `tls://..` for TLS. Set it by the variable `WS__CLUSTER__URL` to keep the password out of
    /// files. It is never printed. Default `redis://127.0.0.1:6379`.
    pub url: BrokerUrl,
    /// The first part of all channel names, 1 to 64 of `A-Z a-z 0-9 _ -`. Applications that share a
    /// broker need different prefixes. Default `ws`.
    pub prefix: String,
    /// The name of this node in logs and in [`Cluster::nodes`](crate::hub::Cluster::nodes), at most
    /// 256 bytes. Default: the variable `HOSTNAME`, otherwise the node's id.
    pub name: Option<String>,
    /// Whether the application is ready before it has reached the broker for the first time.
    /// Default: it is not.
    pub start: ClusterStart,
    /// The time between two heartbeats of this node, varied by a tenth. Each must come back through
    /// the broker; after three times this value without one, the link to the broker is replaced.
    /// Default 2 s.
    #[serde(with = "units::duration")]
    pub heartbeat: Duration,
    /// A node without a heartbeat for this time is gone; at least three heartbeats. Default 10 s.
    #[serde(with = "units::duration")]
    pub node_timeout: Duration,
    /// The largest message between nodes, in bytes. A larger one is delivered to the connections of
    /// this node only. At most 256 MiB. NATS has a limit of its own, `max_payload`, which is 1 MiB
    /// with the head of a message. Default 1 MiB.
    #[serde(with = "units::size")]
    pub message: usize,
    /// The bytes of messages that may wait for the broker, and, counted by itself, the bytes of
    /// received messages that may wait for delivery. Both queues have at most 8192 messages. At
    /// least `message`. Default 16 MiB.
    #[serde(with = "units::size")]
    pub queue: usize,
    /// The reaction to a time without the broker, in which messages of other nodes were missed.
    /// Default: the connections stay open.
    pub on_gap: OnGap,
    /// The certificates for `rediss://` and `tls://`. Default: the broker is verified with the
    /// built-in roots of Mozilla, and this process presents no certificate.
    pub tls: ClusterTls,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            kind: BrokerKind::default(),
            url: BrokerUrl::default(),
            prefix: "ws".into(),
            name: None,
            start: ClusterStart::default(),
            heartbeat: Duration::from_secs(2),
            node_timeout: Duration::from_secs(10),
            message: 1 << 20,
            queue: 16 << 20,
            on_gap: OnGap::default(),
            tls: ClusterTls::default(),
        }
    }
}

impl Cluster {
    /// Creates settings for this broker, with defaults for everything else.
    pub fn new(kind: BrokerKind, url: impl Into<BrokerUrl>) -> Self {
        Self { kind, url: url.into(), ..Self::default() }
    }
}

/// The kind of a broker.
///
/// ```
/// use ws_core::config::{BrokerKind, Cluster};
///
/// let cluster = Cluster::new(BrokerKind::Nats, "nats://127.0.0.1:4222");
/// assert_eq!(cluster.kind.to_string(), "nats");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BrokerKind {
    /// Redis 6 or later, or a server that speaks its protocol; needs the feature `redis`.
    #[default]
    Redis,
    /// NATS 2, without JetStream; needs the feature `nats`. Tested with 2.9.
    ///
    /// Set the server's `write_deadline`, which is 10 s by default, below two heartbeats. While a
    /// node does not read, NATS stops reading from the nodes that send to it for that time, and
    /// three missing heartbeats end their links as well.
    Nats,
}

impl fmt::Display for BrokerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
        })
    }
}

/// The address of a broker, which may have a password. `Debug` and `Display` leave out the user and
/// the password.
///
/// ```
/// use ws_core::config::BrokerUrl;
///
/// let url = BrokerUrl::from("redis://chat:secret@db:6379");
/// assert_eq!(url.to_string(), "redis://..@db:6379");
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct BrokerUrl(String);

impl BrokerUrl {
    /// The whole address, with the password.
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Default for BrokerUrl {
    fn default() -> Self {
        Self("redis://127.0.0.1:6379".into())
    }
}

impl<T: Into<String>> From<T> for BrokerUrl {
    fn from(url: T) -> Self {
        Self(url.into())
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_credentials(&self.0))
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&without_credentials(&self.0), f)
    }
}

/// Replaces the user and the password of a URL. A password may have any characters, so everything
/// between `://` and the last `@` is replaced.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(end)) if start + 3 <= end => {
            let (scheme, host) = (url.get(..start + 3), url.get(end..));
            format!("{}..{}", scheme.unwrap_or_default(), host.unwrap_or_default())
        }
        _ => url.to_owned(),
    }
}

/// Hides the addresses of brokers in a text that quotes lines of a file. The rest of such a line is
/// left out, since an address that is malformed may have its password anywhere.
pub(super) fn without_addresses(text: &str) -> String {
    let line = |line: &str| {
        let schemes = ["redis://", "rediss://", "nats://", "tls://"];
        let end = schemes.iter().filter_map(|scheme| Some(line.find(scheme)? + scheme.len())).min();
        match end.and_then(|end| line.get(..end)) {
            Some(start) => format!("{start}.."),
            None => line.to_owned(),
        }
    };
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// Whether an application of a cluster is ready before it has reached the broker.
///
/// ```
/// use ws_core::{Config, config::ClusterStart};
///
/// let config = Config::from_toml_str("[cluster]\nstart = \"alone\"", "ws.toml")?;
/// assert_eq!(config.cluster.unwrap().start, ClusterStart::Alone);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterStart {
    /// It is not ready ([`Readiness`](crate::app::Readiness)) until the broker was reached once. It
    /// already accepts connections. A later outage does not change its readiness: otherwise an
    /// outage would remove all nodes from the load balancer at once.
    #[default]
    Wait,
    /// It is ready without the broker.
    Alone,
}

/// The reaction to a time without the broker.
///
/// ```
/// use ws_core::{Config, config::OnGap};
///
/// let config = Config::from_toml_str("[cluster]\non_gap = \"close\"", "ws.toml")?;
/// assert_eq!(config.cluster.unwrap().on_gap, OnGap::Close);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnGap {
    /// The connections stay open.
    /// [`ClusterChange::Gap`](crate::hub::ClusterChange::Gap) is reported.
    #[default]
    Keep,
    /// Each connection that is in a room or has a user is closed with 1012, so that its client
    /// connects again and reads the present state.
    Close,
}

/// The certificates for a broker with TLS: PEM files, relative to the working directory. They are
/// read when the application starts.
///
/// ```
/// use ws_core::config::{BrokerKind, Cluster};
///
/// let mut cluster = Cluster::new(BrokerKind::Redis, "rediss://db:6380");
/// cluster.tls.ca = Some("certificates/ca.pem".into());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClusterTls {
    /// The certificates that the broker's certificate is verified with. Default: the built-in roots
    /// of Mozilla.
    pub ca: Option<PathBuf>,
    /// The certificate of this process, for a broker that asks for one, followed by its
    /// intermediate certificates. Needs `key`.
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_line_has_no_address_of_a_broker() {
        for (text, expected) in [
            ("1 | url = \"redis://:x@h\"\n2 | b@c", "1 | url = \"redis://..\n2 | b@c"),
            ("url = \"rediss://user:secret", "url = \"rediss://.."),
            ("url = 'nats://secret", "url = 'nats://.."),
            ("allow = [\"https://a.example\"]", "allow = [\"https://a.example\"]"),
        ] {
            assert_eq!(without_addresses(text), expected);
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for (url, expected) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://user:secret@host:6379/1", "redis://..@host:6379/1"),
            ("rediss://:sec@ret/@host", "rediss://..@host"),
            ("secret", "secret"),
        ] {
            let url = BrokerUrl::from(url);
            assert_eq!((url.to_string(), format!("{url:?}")), (expected.to_owned(), format!("{expected:?}")));
        }
    }
}
