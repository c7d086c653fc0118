//! [`ClientBuilder`]: everything that can be set before a connection is made.

use std::{fmt, time::Duration};

use super::{
    connect,
    connection::Client,
    error::ConnectError,
    reconnect::{ReconnectPolicy, ReconnectingClient},
    settings::Settings,
};

/// What a connection is to be like; made by [`Client::builder`].
///
/// Nothing is checked before [`connect`](Self::connect), which reports the first mistake.
///
/// ```no_run
/// use std::time::Duration;
///
/// use ws_core::client::Client;
///
/// # async fn example() -> Result<(), ws_core::client::ConnectError> {
/// let client = Client::builder("ws://localhost:9502/rooms/1")
///     .bearer("eyJhbGciOi..")
///     .query("lang", "pt-BR")
///     .subprotocols(["chat.v2", "chat.v1"])
///     .connect_deadline(Duration::from_secs(3))
///     .connect()
///     .await?;
/// assert_eq!(client.subprotocol(), Some("chat.v2"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is connected before `connect` is called and awaited"]
pub struct ClientBuilder {
    settings: Settings,
}

impl Client {
    /// Connects to a `ws://` or `wss://` URI, within 10 s.
    ///
    /// # Errors
    /// See [`ConnectError`]; [`ConnectError::Refused`] has the status, the headers and the body of a refusal.
    ///
    /// ```no_run
    /// use ws_core::client::{Client, ConnectError};
    ///
    /// # async fn example() {
    /// match Client::connect("ws://localhost:9502/private").await {
    ///     Ok(_client) => println!("come in"),
    ///     Err(ConnectError::Refused { status, body, .. }) => {
    ///         println!("{status}: {}", String::from_utf8_lossy(&body));
    ///     }
    ///     Err(error) => println!("{error}"),
    /// }
    /// # }
    /// ```
    pub async fn connect(uri: impl Into<String>) -> Result<Self, ConnectError> {
        Self::builder(uri).connect().await
    }

    /// Starts a connection that needs more than a URI.
    pub fn builder(uri: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(uri.into())
    }
}

impl ClientBuilder {
    pub(super) fn new(uri: String) -> Self {
        Self { settings: Settings::new(uri) }
    }

    /// Adds a header to the handshake; called twice with one name, both are sent. `host` replaces the URI's.
    ///
    /// The value is visible ASCII and spaces. The headers that make the handshake (`upgrade`, `connection`,
    /// `sec-websocket-*`) and those of a body cannot be set: [`ConnectError::InvalidHeader`].
    ///
    /// The case of a name does not matter here. Names are sent with a capital letter at the
    /// beginning of each word, standard names as the RFCs write them: `Authorization`,
    /// `Sec-WebSocket-Key`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Bearer <token>` (RFC 6750 section 2.1): the recommended way to say who connects.
    pub fn bearer(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds a query parameter behind those of the URI, percent-encoded here: give it as it is meant.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.query.push((name.into(), value.into()));
        self
    }

    /// Offers subprotocols in order of preference (RFC 6455 section 1.9); called twice, the second offer counts.
    ///
    /// The server may choose none of them and connect all the same: see [`Client::subprotocol`].
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// From the name lookup to the answer of the handshake, TCP and TLS included. Default 10 s.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.settings.connect_deadline = deadline;
        self
    }

    /// How long one message may take until the socket has it, when the server reads slowly or not at all; with
    /// [`reconnect`](Self::reconnect) the wait for a new connection, too. Default 30 s.
    pub fn send_deadline(mut self, deadline: Duration) -> Self {
        self.settings.send_deadline = deadline;
        self
    }

    /// How long the server may take to answer a close frame, and again to hang up. Default 5 s.
    pub fn close_deadline(mut self, deadline: Duration) -> Self {
        self.settings.close_deadline = deadline;
        self
    }

    /// The connection is given up as [`CloseReason::Heartbeat`](crate::CloseReason::Heartbeat) when nothing at all,
    /// pings included, came for so long.
    ///
    /// For servers that ping: ws-core's do every 25 s, so a minute is a good value there. It is only noticed while
    /// something is received. Default: off, because a server need not ping.
    pub fn dead_after(mut self, silence: Duration) -> Self {
        self.settings.dead_after = Some(silence);
        self
    }

    /// The largest message that is accepted, in bytes; a larger one closes with 1009. Default 1 MiB, as the server's.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.settings.message_limit = bytes;
        self
    }

    /// The largest frame payload that is accepted, in bytes; a larger one closes with 1009. Default: as the message
    /// limit.
    pub fn frame_limit(mut self, bytes: usize) -> Self {
        self.settings.frame_limit = Some(bytes);
        self
    }

    /// Trusts these certificates, too, besides Mozilla's list: one or more in PEM, for a private authority or a
    /// self-signed server.
    ///
    /// What is no certificate is a [`ConnectError::Tls`] of [`connect`](Self::connect).
    #[cfg(feature = "client-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client-tls")))]
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.root_certificates.push(pem.into());
        self
    }

    /// Connects, once.
    ///
    /// # Errors
    /// See [`ConnectError`]; a mistake in what was set is found before anything is sent.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        connect::connect(&self.settings).await
    }

    /// Connects, and again whenever the connection is lost.
    ///
    /// The first connection is tried for once only: a wrong URI or token is to be seen at once.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), of the first connection.
    pub async fn reconnect(mut self, policy: ReconnectPolicy) -> Result<ReconnectingClient, ConnectError> {
        self.settings.confirms = true;
        let first = connect::connect(&self.settings).await?;
        Ok(ReconnectingClient::new(self.settings, policy, first))
    }
}

/// Without the query and the headers, where secrets travel.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("uri", &self.settings.uri.split('?').next().unwrap_or_default())
            .field("subprotocols", &self.settings.subprotocols)
            .finish_non_exhaustive()
    }
}
