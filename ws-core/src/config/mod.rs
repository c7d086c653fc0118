//! All settings, with their units, defaults and the reasons for the defaults.
//!
//! A [`Config`] is read from `ws.toml` ([`Config::load`]) or from text ([`Config::from_toml_str`]),
//! or is built in code. Environment variables override it ([`Config::with_env`]). An invalid key or
//! value is an error that names the file, the line and the accepted values. Servers copy their
//! settings at start; this module is not used while they run.

mod cluster;
mod compression;
mod console;
mod drain;
mod env;
mod load;
mod origin;
mod pattern;
mod proxy;
mod site;
mod slash;
mod units;

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{
    cluster::{BrokerKind, BrokerUrl, Cluster, ClusterStart, ClusterTls, OnGap},
    compression::{Compression, CompressionMode, SharedCompression},
    console::Console,
    drain::Drain,
    load::ConfigError,
    origin::{Origin, OriginPolicy},
    pattern::{OriginPattern, OriginPatternError},
    proxy::{ForwardedHeader, Network, NotANetwork, Proxy, ProxyProtocol},
    slash::TrailingSlash,
};

/// The settings of this process: its servers and how it stops.
///
/// ```
/// use ws_core::Config;
///
/// let config = Config::from_toml_str(
///     r#"
///     [[servers]]
///     name = "ws"
///     port = 9502
///     [servers.limits]
///     message = "64KiB"
///     "#,
///     "ws.toml",
/// )?;
/// assert_eq!(config.servers[0].limits.message, 64 * 1024);
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The servers; their names are unique. Default: one WebSocket server, `ws`, on 127.0.0.1:9502.
    pub servers: Vec<ServerConfig>,
    /// How the process stops.
    pub drain: Drain,
    /// The broker that connects this process to the other nodes of the application. Default: none,
    /// this process is alone.
    pub cluster: Option<Cluster>,
    /// The memory for compression (feature `deflate`).
    pub compression: SharedCompression,
    /// The page for development (feature `console`). It starts only with `App::console`.
    pub console: Console,
    #[serde(skip)]
    pub(crate) sources: Sources,
}

/// The sources that a configuration was read from. Sources that exist and were not read are logged
/// at start. Configurations that differ only in their sources are equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources {
    /// A file, or text instead of a file.
    pub(crate) file: bool,
    pub(crate) environment: bool,
}

impl PartialEq for Sources {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: vec![ServerConfig::default()],
            drain: Drain::default(),
            cluster: None,
            compression: SharedCompression::default(),
            console: Console::default(),
            sources: Sources::default(),
        }
    }
}

/// One listener and its settings.
///
/// ```
/// use ws_core::config::{Config, ServerConfig, ServerKind};
///
/// let mut admin = ServerConfig::new("admin", ServerKind::WebSocket, 9503);
/// admin.limits.connections = 10;
/// let mut config = Config::default();
/// config.servers.push(admin);
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The name that `server = ".."` of the attributes refers to. Default `ws`.
    pub name: String,
    /// The protocol of the server. Default `websocket`.
    pub kind: ServerKind,
    /// The address to listen on: a host name or an IP address, IPv6 with or without brackets.
    /// Default 127.0.0.1, so that other machines cannot connect until this is configured.
    pub host: String,
    /// The port to listen on; 0 lets the system choose. Default 9502.
    pub port: u16,
    /// Whether `/chat` and `/chat/` are one route. A route may set its own rule. Only for servers
    /// of kind `websocket`. Default `exact`: they are two routes.
    pub trailing_slash: TrailingSlash,
    /// The limits for peers.
    pub limits: Limits,
    /// How a silent peer is detected.
    pub heartbeat: Heartbeat,
    /// The compression of messages (feature `deflate`). Only for servers of kind `websocket`.
    /// Default: off.
    pub compression: Compression,
    /// TLS on this listener (feature `tls`). Default: none, plain TCP.
    pub tls: Option<Tls>,
    /// The proxies that are trusted to name the client's address. Default: none.
    pub proxy: Proxy,
    /// The web pages whose browsers may open a connection. Only for servers of kind `websocket`.
    pub origin: Origin,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            name: "ws".into(),
            kind: ServerKind::WebSocket,
            host: "127.0.0.1".into(),
            port: 9502,
            trailing_slash: TrailingSlash::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            compression: Compression::default(),
            tls: None,
            proxy: Proxy::default(),
            origin: Origin::default(),
        }
    }
}

impl ServerConfig {
    /// Creates a server with this name, kind and port, and defaults for everything else.
    pub fn new(name: impl Into<String>, kind: ServerKind, port: u16) -> Self {
        Self { name: name.into(), kind, port, ..Self::default() }
    }

    /// Returns `host` without the brackets of an IPv6 address.
    pub(crate) fn bind_host(&self) -> &str {
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        bare.filter(|bare| bare.contains(':')).unwrap_or(&self.host)
    }
}

/// The protocol of a server.
///
/// ```
/// use ws_core::config::{ServerConfig, ServerKind};
///
/// let pages = ServerConfig::new("http", ServerKind::Http, 9501);
/// assert_eq!(pages.kind.to_string(), "http");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum ServerKind {
    /// WebSocket controllers.
    #[default]
    #[serde(rename = "websocket")]
    WebSocket,
    /// The HTTP service given to [`App::http`](crate::App::http).
    #[serde(rename = "http")]
    Http,
}

impl std::fmt::Display for ServerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "websocket",
            Self::Http => "http",
        })
    }
}

/// The certificate and the key of a server with TLS: PEM files, relative to the working directory.
///
/// They are read when the application starts and again on SIGHUP; see [`Running::reload_tls`].
///
/// [`Running::reload_tls`]: crate::Running#method.reload_tls
///
/// ```
/// use ws_core::{Config, config::Tls};
///
/// let mut config = Config::default();
/// config.servers[0].tls = Some(Tls::new("certificates/chat.pem", "certificates/chat.key"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// The server's certificate, followed by its intermediate certificates.
    pub certificate: PathBuf,
    /// The private key of the first certificate: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

impl Tls {
    /// Creates TLS settings with these files.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into() }
    }
}

/// The limits of a server, for one peer and for all peers together.
///
/// Sizes are in bytes, written `"64KiB"`; times are written `"30s"`. Only `rooms` may be zero.
///
/// ```
/// use std::time::Duration;
/// use ws_core::Config;
///
/// let mut config = Config::default();
/// let limits = &mut config.servers[0].limits;
/// limits.message = 64 << 10; // bytes
/// limits.messages_per_second = Some(20);
/// limits.handler_timeout = Some(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// The number of open sockets; a further one gets a 503. Default 100 000.
    pub connections: usize,
    /// The number of open sockets of one peer address; a further one gets a 503. IPv6 addresses are
    /// counted by their first 64 bits, because one host usually has all addresses below them.
    /// Behind a proxy that names its clients in a header, WebSocket connections are counted by
    /// client. This is also the share of one address in `pending_handshakes`, at least 16. Default:
    /// off (`"off"`), because whole offices and mobile networks share an address.
    #[serde(with = "units::optional_count")]
    pub connections_per_ip: Option<usize>,
    /// The number of streams that have no 101 yet (for HTTP, no first request): TLS handshakes,
    /// request heads, middleware. Further streams wait in the kernel's queue, where they use no
    /// memory of this process. They are not refused, because all clients reconnect at once after a
    /// restart. Default 4096, which is at most 64 MiB of heads.
    ///
    /// One address may have an eighth of them as unfinished heads (`connections_per_ip` if that is
    /// set), and always 16. At that number, a new stream of the address closes its oldest
    /// unfinished head if that is older than a second; otherwise the new stream is closed. While
    /// all places are taken, the share of every address is 16, and the oldest unfinished head of
    /// all addresses is closed under the same condition. Trusted proxies have no share; the client
    /// that a PROXY header names has one. A head is unfinished until its last byte was read.
    ///
    /// A refused client may try again on the same stream until `handshake_timeout` has passed since
    /// the accept. Then the stream is closed as soon as it is idle.
    pub pending_handshakes: usize,
    /// The largest message, in bytes; a larger one closes the connection with 1009. At most 1 GiB.
    /// Default 1 MiB.
    #[serde(with = "units::size")]
    pub message: usize,
    /// The largest frame payload, in bytes; a larger one closes the connection with 1009. Memory is
    /// allocated for bytes that have arrived, not for a length that is announced. Default: the
    /// value of `message`, which is also the upper bound.
    #[serde(with = "units::optional_size")]
    pub frame: Option<usize>,
    /// The largest number of frames of one message; more close the connection with 1009. Each frame
    /// costs work, even an empty one, so the size of a message does not limit it. Default 16 384,
    /// which is 1 MiB in pieces of 64 bytes.
    #[serde(with = "units::count")]
    pub fragments: usize,
    /// The text and binary messages that one connection may send per second, on average, including
    /// answers to asks of the server. `over_rate` defines the reaction to more. Default: off
    /// (`"off"`), because only the application knows its rate.
    ///
    /// Pings and pongs do not count. At most 16 of them wait for a callback; beyond that, the
    /// oldest is dropped. While a peer does not read the pongs, nothing is read from it.
    ///
    /// Messages count when they are read. While the inbox is full (`limits.inbox_messages`),
    /// nothing is read; messages that arrive in that time count as if they had been read on
    /// arrival.
    #[serde(with = "units::optional_count")]
    pub messages_per_second: Option<usize>,
    /// The number of messages that may arrive at once after a silence. Default: the value of
    /// `messages_per_second`.
    #[serde(with = "units::optional_count")]
    pub message_burst: Option<usize>,
    /// The reaction to a message over `messages_per_second`. Default: close.
    pub over_rate: OverRate,
    /// The time from the accept to the end of the first request head, including a PROXY header and
    /// the TLS handshake; a slower stream is closed. The middleware and the core step have the same
    /// time again, and so have the error handlers; slower is a 503. On a stream that is kept open,
    /// each further head has the same time from its first byte. A client that does not read its
    /// response is disconnected `close_timeout` after all of these. Default 10 s.
    #[serde(with = "units::duration")]
    pub handshake_timeout: Duration,
    /// The time that a stream may be idle between two HTTP requests, on servers of kind `http` and
    /// servers with a fallback. After the first byte of the next head, `handshake_timeout` applies.
    /// Default 75 s: load balancers keep idle streams for 60 s, and a request that is sent on a
    /// closing stream fails.
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    /// The largest request head, in bytes; a larger one gets a 431. At least 8 KiB, the minimum of
    /// hyper. Default 16 KiB.
    #[serde(with = "units::size")]
    pub head: usize,
    /// The largest number of headers of a request; more get a 431. At most 16 384. Default 64.
    pub headers: usize,
    /// The longest path of a handshake, in bytes as sent; a longer one gets a 414. Default 2 KiB.
    #[serde(with = "units::size")]
    pub path: usize,
    /// The longest query of a handshake, in bytes as sent; a longer one gets a 414. Default 8 KiB,
    /// because the query may contain a token.
    #[serde(with = "units::size")]
    pub query: usize,
    /// The number of messages that may wait in a connection's outbox. Default 256.
    pub outbox_messages: usize,
    /// The bytes that may wait in a connection's outbox, in addition to the 64 KiB and one message
    /// between the outbox and the socket. An empty outbox accepts one message of any size. Default
    /// 1 MiB.
    #[serde(with = "units::size")]
    pub outbox_bytes: usize,
    /// The number of rooms that a connection may be in; 0 for none. Default 64.
    pub rooms: usize,
    /// The number of tasks that a connection may have at once
    /// ([`Connection::spawn`](crate::Connection::spawn)). Default 16: calls that are answered later
    /// are few, and each may hold a connection to a database.
    pub tasks: usize,
    /// The number of messages that one connection reads ahead while a callback runs. At this
    /// number, reading pauses until the callback returns. Pings, answers to asks
    /// ([`Connection::ask_event`](crate::Connection::ask_event)) and the end of the stream are
    /// processed when they are read. Default 64.
    pub inbox_messages: usize,
    /// The bytes that one connection reads ahead while a callback runs; a message that has begun is
    /// read to its end. Default 256 KiB.
    #[serde(with = "units::size")]
    pub inbox_bytes: usize,
    /// The reaction to a full outbox. Default: disconnect.
    pub overflow: Overflow,
    /// The time from the close frame to the end of the socket, the time for `on_close`, and the
    /// time that the tasks of a connection have to finish after its end. Default 5 s.
    #[serde(with = "units::duration")]
    pub close_timeout: Duration,
    /// The longest time of one callback; beyond it the connection closes with 1011. Default: off
    /// (`"off"`), because only the application knows its callbacks.
    #[serde(with = "units::optional_duration")]
    pub handler_timeout: Option<Duration>,
    /// The longest time that a connection stays open; then it is closed with 1001. Each connection
    /// gets a random time of up to a tenth less, so that clients that connected together do not
    /// reconnect together. With this limit, clients spread over nodes that were added later.
    /// Default: off (`"off"`).
    #[serde(with = "units::optional_duration")]
    pub lifetime: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connections_per_ip: None,
            pending_handshakes: 4096,
            message: 1 << 20,
            frame: None,
            fragments: 16_384,
            messages_per_second: None,
            message_burst: None,
            over_rate: OverRate::default(),
            handshake_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            head: 16 << 10,
            headers: 64,
            path: 2 << 10,
            query: 8 << 10,
            outbox_messages: 256,
            outbox_bytes: 1 << 20,
            rooms: 64,
            tasks: 16,
            inbox_messages: 64,
            inbox_bytes: 256 << 10,
            overflow: Overflow::default(),
            close_timeout: Duration::from_secs(5),
            handler_timeout: None,
            lifetime: None,
        }
    }
}

/// The reaction to a connection that sends more than `messages_per_second`.
///
/// ```
/// use ws_core::{Config, config::OverRate};
///
/// let mut config = Config::default();
/// config.servers[0].limits.messages_per_second = Some(20);
/// config.servers[0].limits.over_rate = OverRate::Refuse;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OverRate {
    /// The connection is closed with 1008.
    #[default]
    Close,
    /// The message is not handled and is answered with the error event `rate_limited`; the
    /// connection stays open. Only typed handlers (`#[ws_handlers]`) have such answers: a
    /// connection of any other controller is closed with 1008.
    Refuse,
}

/// The reaction to a full outbox.
///
/// ```
/// use ws_core::{Controller, Route, config::Overflow};
///
/// # struct Prices;
/// # impl Controller for Prices {}
/// let route = Route::new("/prices", Prices).overflow(Overflow::DropOldest);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overflow {
    /// The connection is closed with 1013; the waiting messages are dropped.
    #[default]
    Disconnect,
    /// The oldest waiting messages are dropped until there is room. Suitable for states, of which
    /// only the latest matters.
    DropOldest,
    /// The new message is dropped, and `push` returns an error. Suitable for feeds that may have
    /// gaps.
    DropNewest,
}

/// How a lost peer is detected (ping and pong, RFC 6455 section 5.5.2), and when an idle connection
/// is closed. Each of these times may be exceeded by 16 ms.
///
/// ```
/// use std::time::Duration;
/// use ws_core::Config;
///
/// let mut config = Config::default();
/// config.servers[0].heartbeat.interval = Some(Duration::from_secs(15));
/// config.servers[0].heartbeat.idle = Some(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The time between two pings; `"off"` sends none. Default 25 s: less than the 30 to 60 s after
    /// which proxies and mobile networks drop an idle connection. No further ping is sent until a
    /// sign of life has followed the last one, unless this side does not read because its inbox is
    /// full (`limits.inbox_messages`).
    #[serde(with = "units::optional_duration")]
    pub interval: Option<Duration>,
    /// The connection ends if no sign of life comes within this time after a ping. Default 20 s.
    ///
    /// A sign of life is received bytes, or new room in a socket that was full. A ping behind bytes
    /// that the client has to read first has more time: one second for each 32 KiB, at most 128 s.
    /// While the inbox is full (`limits.inbox_messages`), this side does not read, and silence does
    /// not end the connection, unless more than 64 KiB wait for the client and it reads none of
    /// them. The end of the stream is still detected.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// The connection closes with 1001 if no text or binary message was sent or received for this
    /// time; pings and pongs do not count. A message counts when it was received completely, and
    /// while it is being sent. The connection is not idle while a callback runs. Default: off
    /// (`"off"`), because many clients wait for hours for a message.
    #[serde(with = "units::optional_duration")]
    pub idle: Option<Duration>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(25)), timeout: Duration::from_secs(20), idle: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_around_an_ipv6_address_are_no_part_of_it() {
        for (host, expected) in [
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("[fe80::1%2]", "fe80::1%2"),
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "localhost"),
            ("[localhost]", "[localhost]"),
            ("[::1", "[::1"),
        ] {
            let server = ServerConfig { host: host.into(), ..ServerConfig::default() };
            assert_eq!(server.bind_host(), expected, "{host}");
        }
    }
}
