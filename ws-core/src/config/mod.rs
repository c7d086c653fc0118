//! Every setting, with its unit and the reason for its default.
//!
//! A [`Config`] comes from `ws.toml` ([`Config::load`]), from text ([`Config::from_toml_str`]) or from code; the
//! environment goes on top ([`Config::with_env`]). A wrong key or value is an error that names the file, the line and
//! what is accepted. Nothing here is looked up later: servers copy what they need at start.

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
    drain::Drain,
    load::ConfigError,
    origin::{Origin, OriginPolicy},
    pattern::{OriginPattern, OriginPatternError},
    proxy::{ForwardedHeader, Network, NotANetwork, Proxy, ProxyProtocol},
    slash::TrailingSlash,
};

/// The servers of this process and how it stops.
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
    /// The servers; names are unique. Default: one WebSocket server, `ws`, on 127.0.0.1:9502.
    pub servers: Vec<ServerConfig>,
    /// How the process stops.
    pub drain: Drain,
    #[serde(skip)]
    pub(crate) sources: Sources,
}

/// The sources that a configuration was read from; those that were left out are logged at start.
/// Two configurations with different sources may be equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources {
    /// A file, or text in its place.
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
        Self { servers: vec![ServerConfig::default()], drain: Drain::default(), sources: Sources::default() }
    }
}

/// One listener and what is served on it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What `server = ".."` of the attributes refers to. Default `ws`.
    pub name: String,
    /// What is spoken on it. Default `websocket`.
    pub kind: ServerKind,
    /// The address to listen on: a host name or an IP address, IPv6 with or without brackets.
    /// Default 127.0.0.1, so that other machines reach the server only after it was configured for
    /// them.
    pub host: String,
    /// The port to listen on; 0 lets the system choose. Default 9502.
    pub port: u16,
    /// Whether `/chat` and `/chat/` are one route. A route may set its own rule. For servers of
    /// kind `websocket`. Default: `exact`, they are two.
    pub trailing_slash: TrailingSlash,
    /// What a peer may ask for.
    pub limits: Limits,
    /// How a silent peer is noticed.
    pub heartbeat: Heartbeat,
    /// TLS on this listener (feature `tls`). Default: none, plain TCP.
    pub tls: Option<Tls>,
    /// Whose word about the true peer address is taken. Default: nobody's.
    pub proxy: Proxy,
    /// Which pages may open a connection from a browser. For servers of kind `websocket`.
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
            tls: None,
            proxy: Proxy::default(),
            origin: Origin::default(),
        }
    }
}

impl ServerConfig {
    /// A server of this name and kind on this port, everything else by default.
    pub fn new(name: impl Into<String>, kind: ServerKind, port: u16) -> Self {
        Self { name: name.into(), kind, port, ..Self::default() }
    }

    /// Returns `host` without the brackets of an IPv6 address.
    pub(crate) fn bind_host(&self) -> &str {
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        bare.filter(|bare| bare.contains(':')).unwrap_or(&self.host)
    }
}

/// What a server speaks.
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

/// The certificate of a server that speaks TLS, and its key: PEM files, relative to the working directory.
///
/// They are read when the application starts and again on SIGHUP; see [`Running::reload_tls`].
///
/// [`Running::reload_tls`]: crate::Running#method.reload_tls
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// The server's certificate, then those that lead from it towards a root.
    pub certificate: PathBuf,
    /// The private key of the first certificate: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

impl Tls {
    /// TLS with these files.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into() }
    }
}

/// What one peer, and all of them together, may ask of a server.
///
/// Sizes are bytes, written `"64KiB"`; times are written `"30s"`. None but `rooms` may be zero.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Sockets open at once; one more is answered with 503. Default 100 000.
    pub connections: usize,
    /// Sockets of one peer address open at once; one more is answered with 503. IPv6 counts by its
    /// first 64 bits, which is what one host has. Behind a proxy that names its clients in a
    /// header, WebSocket connections are counted, by client. It is also the share of one address in
    /// `pending_handshakes`, 16 at least. Default: off (`"off"`), because whole offices and mobile
    /// networks share an address.
    #[serde(with = "units::optional_count")]
    pub connections_per_ip: Option<usize>,
    /// Streams without a 101, or without a first request for HTTP, at once: TLS handshakes, heads,
    /// middleware. Further ones wait in the kernel's queue, where they cost nothing, and are not
    /// refused: after a restart all clients come at once. Default 4096, which is 64 MiB of heads at
    /// the most.
    ///
    /// One address may have an eighth of them as unfinished heads (`connections_per_ip` where that
    /// is set), 16 in any case. At that number, a new stream of the address closes its oldest
    /// unfinished head if that is older than a second; else the new stream is closed. While there
    /// is no room left, the share of every address is 16, and the oldest unfinished head of all is
    /// closed under the same condition. Trusted proxies have no share; the client that a PROXY
    /// header names has one. A head is unfinished until its last byte.
    ///
    /// A refused client may try again on the same stream until `handshake_timeout` has passed since
    /// accept. Then the stream is closed as soon as it is idle.
    pub pending_handshakes: usize,
    /// The largest message, in bytes; a larger one closes with 1009. At most 1 GiB. Default 1 MiB.
    #[serde(with = "units::size")]
    pub message: usize,
    /// The largest frame payload, in bytes; a larger one closes with 1009. Room for it is made when its length is announced.
    /// Default, and what a larger value comes to: as `message`.
    #[serde(with = "units::optional_size")]
    pub frame: Option<usize>,
    /// The most frames that a message may come in; more close with 1009. Each costs work however little is in it, and one may
    /// be empty, so that the size of a message does not bound them. Default 16 384, which is 1 MiB in pieces of 64 bytes.
    #[serde(with = "units::count")]
    pub fragments: usize,
    /// Text and binary messages that one connection may send in a second, on average; answers to calls of the server count,
    /// too. What is too much is `over_rate`'s to say. Default: off (`"off"`), because only the application knows.
    ///
    /// Pings and pongs do not count. At most 16 of them wait for a callback; of more, the oldest is
    /// dropped. A peer that does not read the pongs is not read from.
    ///
    /// Messages count when they are read. While the inbox is full (`limits.inbox_messages`) none are,
    /// and what comes meanwhile counts as if it had been read as it came.
    #[serde(with = "units::optional_count")]
    pub messages_per_second: Option<usize>,
    /// How many of them may come at once after a silence. Default: as `messages_per_second`.
    #[serde(with = "units::optional_count")]
    pub message_burst: Option<usize>,
    /// What a message too many does. Default: close.
    pub over_rate: OverRate,
    /// From accept to the end of the first request head, a PROXY header and the TLS handshake included: slower is cut. As
    /// much again for the middleware and the core step, and for the error handlers: slower is a 503. On a stream that is kept
    /// open, as much for each further head, from its first byte. A client that does not take its
    /// answer is cut `close_timeout` after all of these. Default 10 s.
    #[serde(with = "units::duration")]
    pub handshake_timeout: Duration,
    /// How long a stream may be idle between two HTTP requests, on servers of kind `http` and with
    /// a fallback. Once the next head has begun, `handshake_timeout` applies. Default 75 s: load
    /// balancers keep idle streams for 60 s, and a request that meets a closing stream fails.
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    /// The largest request head, in bytes; a larger one is a 431. At least 8 KiB (hyper's least). Default 16 KiB.
    #[serde(with = "units::size")]
    pub head: usize,
    /// The most headers of a request; more are a 431. At most 16 384. Default 64.
    pub headers: usize,
    /// The longest path of a handshake, in bytes as sent; a longer one is a 414. Default 2 KiB.
    #[serde(with = "units::size")]
    pub path: usize,
    /// The longest query of a handshake, in bytes as sent; a longer one is a 414. Default 8 KiB: a token may be in it.
    #[serde(with = "units::size")]
    pub query: usize,
    /// Messages that may wait in a connection's outbox. Default 256.
    pub outbox_messages: usize,
    /// Bytes that may wait in a connection's outbox, beside the 64 KiB and one message more that may be on their way to the
    /// socket. An empty outbox takes one message of any size. Default 1 MiB.
    #[serde(with = "units::size")]
    pub outbox_bytes: usize,
    /// Rooms that a connection may be in at once; 0 for none. Default 64.
    pub rooms: usize,
    /// Messages that one connection reads ahead while a callback runs. At this many, reading pauses
    /// until the callback returns. Pings, answers to asks
    /// ([`Connection::ask_event`](crate::Connection::ask_event)) and the end of the client are
    /// noticed as they are read. Default 64.
    pub inbox_messages: usize,
    /// Bytes that are read ahead meanwhile; a message that has begun is read to its end. Default
    /// 256 KiB.
    #[serde(with = "units::size")]
    pub inbox_bytes: usize,
    /// What a full outbox does to its connection. Default: disconnect.
    pub overflow: Overflow,
    /// From the close frame to the end of the socket, and for `on_close`. Default 5 s.
    #[serde(with = "units::duration")]
    pub close_timeout: Duration,
    /// The longest that one callback may take; over it the connection closes with 1011. Default: off (`"off"`), because
    /// only the application knows.
    #[serde(with = "units::optional_duration")]
    pub handler_timeout: Option<Duration>,
    /// The longest time that a connection stays open; then it is closed with 1001. Each connection
    /// gets up to a tenth less, so that clients that connected together do not reconnect together.
    /// Clients that reconnect spread over new nodes. Default: off.
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
            inbox_messages: 64,
            inbox_bytes: 256 << 10,
            overflow: Overflow::default(),
            close_timeout: Duration::from_secs(5),
            handler_timeout: None,
            lifetime: None,
        }
    }
}

/// What happens when a connection sends more than `messages_per_second`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OverRate {
    /// It is closed with 1008.
    #[default]
    Close,
    /// The message is not handled, and answered with the error event `rate_limited`; the connection goes on. Only typed
    /// handlers (`#[ws_handlers]`) have such answers: a connection of any other controller is closed with 1008 all the same.
    Refuse,
}

/// What happens to a connection whose outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overflow {
    /// It is closed with 1013; what waited is given up.
    #[default]
    Disconnect,
    /// The messages that have waited longest are dropped until there is room: for states, of which the last one counts.
    DropOldest,
    /// The new message is dropped, and `push` says so: for feeds that may have holes.
    DropNewest,
}

/// How a peer that went without a word is noticed (ping and pong, RFC 6455 section 5.5.2), and one that has none to say.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Heartbeat {
    /// A ping every so often; `"off"` sends none. Default 25 s: under the 30 to 60 s after which
    /// proxies and mobile networks forget an idle connection. No other ping is sent before a sign
    /// of life has followed the last one, unless this side does not read because its inbox is full
    /// (`limits.inbox_messages`).
    #[serde(with = "units::optional_duration")]
    pub interval: Option<Duration>,
    /// The connection ends when there is no sign of life within this time after a ping. Default
    /// 20 s.
    ///
    /// Received bytes are a sign of life, and so is new room in a socket that was full. A ping
    /// behind bytes that the client has to read first has more time: a second for each 32 KiB,
    /// 128 s at the most. While the inbox is full (`limits.inbox_messages`) this side does not
    /// read, and silence does not end the connection, unless more than 64 KiB wait for the client and it takes none
    /// of them. The end of the client is still noticed.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// A connection closes with 1001 when no text or binary message went either way for this long; pings and pongs do not
    /// count. A message that was received whole counts, and one that is on its way out; as long as a callback runs, the
    /// connection is not idle. Default: off (`"off"`), because many wait for hours to be told something.
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
