//! [`ClientBuilder`]: sets everything that a connection needs, and connects.
//!
//! It only collects: `request` checks the values when `connect` is awaited.

use std::{error::Error as StdError, fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "client-tls")]
use tokio_rustls::rustls;

use super::{
    attempt::Attempt,
    connect,
    connection::Client,
    error::ConnectError,
    reconnect::{ReconnectPolicy, ReconnectingClient},
    settings::{BeforeAttempt, Settings},
};
#[cfg(feature = "deflate")]
use crate::config::Compression;

/// The settings of a connection; made by [`Client::builder`].
///
/// [`connect`](Self::connect) checks the settings and reports the first mistake.
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
#[must_use = "a builder does not connect before `connect` is called and awaited"]
pub struct ClientBuilder {
    settings: Settings,
}

impl Client {
    /// Connects to a `ws://` or `wss://` URI, within 10 s.
    ///
    /// # Errors See [`ConnectError`]. [`ConnectError::Refused`] has the status, the headers and the
    /// body of the refusal.
    ///
    /// ```no_run
    /// use ws_core::client::{Client, ConnectError};
    ///
    /// # async fn example() {
    /// match Client::connect("ws://localhost:9502/private").await {
    ///     Ok(_client) => println!("connected"),
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

    /// Returns a builder, for a connection that needs more than a URI.
    pub fn builder(uri: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(uri.into())
    }
}

impl ClientBuilder {
    pub(super) fn new(uri: String) -> Self {
        Self { settings: Settings::new(uri) }
    }

    /// Adds a header to the request. Two calls with the same name send both headers, except `host`,
    /// which replaces the host of the URI.
    ///
    /// The value consists of visible ASCII and spaces. The headers of the handshake (`upgrade`,
    /// `connection`, `sec-websocket-*`) and those of a body cannot be set:
    /// [`ConnectError::InvalidHeader`].
    ///
    /// The case of a name does not matter here. Names are sent with a capital letter at the
    /// beginning of each word, standard names as the RFCs write them: `Authorization`,
    /// `Sec-WebSocket-Key`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the URI, for [`before_attempt`](Self::before_attempt).
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.settings.uri = uri.into();
        self
    }

    /// Adds `Authorization: Bearer <token>` (RFC 6750 section 2.1), the recommended way to
    /// authenticate. It replaces an `authorization` that was set before.
    pub fn bearer(mut self, token: impl fmt::Display) -> Self {
        self.settings.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds a query parameter after those of the URI. It is percent-encoded here: pass it
    /// unencoded.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.query.push((name.into(), value.into()));
        self
    }

    /// Offers subprotocols in order of preference (RFC 6455 section 1.9). A second call replaces
    /// the first.
    ///
    /// The server may accept the connection without choosing one: see [`Client::subprotocol`].
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the limit of the whole connecting: name lookup, TCP, TLS and handshake. Default 10 s.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.settings.connect_deadline = deadline;
        self
    }

    /// Sets how long a `send` may take until the socket has the whole message; it takes long when
    /// the server reads slowly. With [`reconnect`](Self::reconnect) the limit includes the wait for
    /// a new connection. Default 30 s.
    pub fn send_deadline(mut self, deadline: Duration) -> Self {
        self.settings.send_deadline = deadline;
        self
    }

    /// Sets how long the server may take to answer a close frame, and then again to close TCP.
    /// Default 5 s.
    pub fn close_deadline(mut self, deadline: Duration) -> Self {
        self.settings.close_deadline = deadline;
        self
    }

    /// Sets how long a [`TypedClient`](super::TypedClient) waits for the reply to a call. Default
    /// 10 s.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.settings.call_deadline = deadline;
        self
    }

    /// Ends the connection with [`CloseReason::Heartbeat`](crate::CloseReason::Heartbeat) when
    /// nothing has arrived for this long, not even a ping.
    ///
    /// This is for servers that send pings. A ws-core server sends one every 25 s, so a minute is a
    /// good value. The silence is only noticed while `recv` or `send` is awaited. Default: off,
    /// because a server need not send pings.
    pub fn dead_after(mut self, silence: Duration) -> Self {
        self.settings.dead_after = Some(silence);
        self
    }

    /// Sets the largest message that is accepted, in bytes. A larger one closes the connection with
    /// 1009. Default 1 MiB, as on the server.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.settings.message_limit = bytes;
        self
    }

    /// Sets the largest frame payload that is accepted, in bytes. A larger one closes the
    /// connection with 1009. Default: the message limit.
    pub fn frame_limit(mut self, bytes: usize) -> Self {
        self.settings.frame_limit = Some(bytes);
        self
    }

    /// Offers compression of messages, permessage-deflate (RFC 7692). Default: off.
    ///
    /// [`Compression::window`] offers `permessage-deflate; server_max_window_bits=12;
    /// client_max_window_bits`, without the first parameter if its window is 32 KiB.
    /// [`Compression::per_message`] offers `permessage-deflate; server_no_context_takeover;
    /// client_no_context_takeover`. The server may decline; messages are sent uncompressed then.
    /// Larger windows than the default cost memory on both sides.
    ///
    /// Do not compress messages that mix a secret with text that another person has chosen: the
    /// size of the compressed message reveals the secret.
    ///
    /// ```no_run
    /// use ws_core::{client::Client, config::Compression};
    ///
    /// # async fn example() -> Result<(), ws_core::client::ConnectError> {
    /// let client = Client::builder("wss://example.com/chat")
    ///     .compression(Compression::window())
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`connect`](Self::connect) returns [`ConnectError::InvalidCompression`] if a setting is not
    /// valid, and [`ConnectError::Protocol`] if the server chooses a compression that was not
    /// offered.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// Trusts these certificates in addition to Mozilla's list, or to
    /// `native_roots`: one or more in PEM, for a private authority or a
    /// self-signed server.
    ///
    /// An invalid certificate makes [`connect`](Self::connect) return [`ConnectError::Tls`].
    #[cfg(feature = "client-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client-tls")))]
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.root_certificates.push(pem.into());
        self
    }

    /// Trusts the certificates of the system in place of Mozilla's list, for networks whose
    /// administrator installs the root certificates.
    ///
    /// They are read before each attempt to connect, by a blocking task of the runtime. On Linux
    /// the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name other places. An unreadable
    /// certificate is skipped and logged at debug level. If there is none at all,
    /// [`connect`](Self::connect) returns [`ConnectError::Tls`].
    #[cfg(feature = "client-native-roots")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client-native-roots")))]
    pub fn native_roots(mut self) -> Self {
        self.settings.tls.has_native_roots = true;
        self
    }

    /// Uses this configuration of [`rustls`](super::rustls) for `wss://`: a client certificate, a
    /// verifier, protocol versions or a crypto provider of one's own.
    ///
    /// It is used unchanged, and it alone decides which certificates are trusted:
    /// [`root_certificates_pem`](Self::root_certificates_pem) or `native_roots` beside it make
    /// [`connect`](Self::connect) return [`ConnectError::Tls`]. If it sets `alpn_protocols`, they
    /// should be `http/1.1` only, because a WebSocket begins as HTTP/1.1.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use ws_core::client::{Client, ConnectError, rustls};
    ///
    /// # async fn example(config: rustls::ClientConfig) -> Result<(), ConnectError> {
    /// let client =
    ///     Client::builder("wss://example.com/").rustls_config(Arc::new(config)).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "client-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client-tls")))]
    pub fn rustls_config(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.settings.tls.config = Some(config);
        self
    }

    /// Runs a function before each attempt to connect, the first one included. It returns the
    /// settings of the attempt: a new token, another URI, a header, a query parameter.
    ///
    /// It gets this builder, without the changes that it made for earlier attempts, and the
    /// [`Attempt`]: its number, and why the one before it failed. Set changing values only here,
    /// because `header` and `query` add to the values that are set already. The send deadline and
    /// the policy of a [`ReconnectingClient`] stay as they were.
    ///
    /// With it, a 401 and the close code 4401 do not end the reconnecting: see [`ReconnectPolicy`].
    ///
    /// ```no_run
    /// use ws_core::client::{Client, ReconnectPolicy};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn token_from_cache() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn new_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let client = Client::builder("wss://example.com/chat")
    ///     .before_attempt(async |builder, attempt| {
    ///         let is_old = attempt.is_unauthorized();
    ///         let token = if is_old { new_token().await } else { token_from_cache().await };
    ///         token.map(|token| builder.bearer(token))
    ///     })
    ///     .reconnect(ReconnectPolicy::new())
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the function fails or takes longer than the connect deadline, the attempt fails with
    /// [`ConnectError::NotPrepared`] and nothing is sent. A reconnecting client tries again after
    /// the back-off.
    pub fn before_attempt<F, Changing, E>(mut self, change: F) -> Self
    where
        F: Fn(Self, Attempt) -> Changing + Send + Sync + 'static,
        Changing: Future<Output = Result<Self, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.settings.before_attempt = Some(Arc::new(Change(change)));
        self
    }

    /// Connects, in one attempt.
    ///
    /// # Errors
    /// See [`ConnectError`]. A mistake in the settings is reported before anything is sent.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        connect::connect(&self.settings, Attempt::first()).await
    }

    /// Connects over a stream that the caller provides, in one attempt: a Unix socket, an in-memory
    /// duplex, a stream that a proxy has connected, or TLS that this crate does not do.
    ///
    /// Neither a name lookup nor a TCP connect happens. The URI still gives the path, the query and
    /// the header `host`. A `wss://` URI means a TLS handshake over the stream, as behind a SOCKS
    /// proxy; for a stream that is encrypted already, write `ws://`.
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::net::UnixStream;
    /// use ws_core::client::Client;
    ///
    /// let stream = UnixStream::connect("/run/chat.sock").await?;
    /// let mut client = Client::builder("ws://localhost/chat").connect_over(stream).await?;
    /// client.send("hi").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect). The connect deadline limits both handshakes.
    pub async fn connect_over<S>(self, stream: S) -> Result<Client, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        connect::connect_over(&self.settings, stream).await
    }

    /// Connects, and connects again whenever the connection is lost.
    ///
    /// The first connection has one attempt only, so that a wrong URI or token is reported at once.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), for the first connection.
    pub async fn reconnect(mut self, policy: ReconnectPolicy) -> Result<ReconnectingClient, ConnectError> {
        self.settings.confirms = true;
        let first = connect::connect(&self.settings, Attempt::first()).await?;
        Ok(ReconnectingClient::new(self.settings, policy, first))
    }
}

/// The function of [`ClientBuilder::before_attempt`].
struct Change<F>(F);

impl<F, Changing, E> BeforeAttempt for Change<F>
where
    F: Fn(ClientBuilder, Attempt) -> Changing + Send + Sync,
    Changing: Future<Output = Result<ClientBuilder, E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn change(
        &self,
        settings: Settings,
        attempt: Attempt,
    ) -> Pin<Box<dyn Future<Output = Result<Settings, ConnectError>> + Send>> {
        let changing = (self.0)(ClientBuilder { settings }, attempt);
        Box::pin(async {
            let changed = changing.await.map_err(|error| ConnectError::NotPrepared(error.into()))?;
            Ok(changed.settings)
        })
    }
}

/// Leaves out the query and the headers, which may hold secrets.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("uri", &self.settings.uri.split('?').next().unwrap_or_default())
            .field("subprotocols", &self.settings.subprotocols)
            .finish_non_exhaustive()
    }
}
