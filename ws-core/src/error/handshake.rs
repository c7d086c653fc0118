//! [`HandshakeError`]: why a handshake was refused, with the status of each reason.

use http::StatusCode;

/// Why a request is not an acceptable WebSocket handshake (RFC 6455 section 4.2.1); one variant per
/// fault.
///
/// An error handler for `HandshakeError` may answer with its own response. Without one the client
/// gets [`status`](Self::status) and the JSON body `{"code": status, "msg": text}`.
///
/// ```
/// use ws_core::{Recovery, Scene, StatusCode, error::HandshakeError, ws_error_handler};
///
/// #[ws_error_handler]
/// async fn refused(error: &HandshakeError, _: &Scene) -> Recovery {
///     match error {
///         HandshakeError::NoRoute { .. } => Recovery::respond(StatusCode::NOT_FOUND, "not here"),
///         _ => Recovery::pass(),
///     }
/// }
///
/// assert_eq!(HandshakeError::TokenMissing.status(), 401);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// No `Sec-WebSocket-Key`. 400.
    #[error("sec-websocket-key is invalid!")]
    KeyMissing,
    /// `Sec-WebSocket-Key` is not the base64 of 16 bytes. 400.
    #[error("sec-websocket-key is invalid!")]
    KeyInvalid,
    /// `Sec-WebSocket-Key` was sent more than once (RFC 6455 section 11.3.1). 400.
    #[error("sec-websocket-key is invalid!")]
    KeyRepeated,
    /// `Sec-WebSocket-Version` is missing or not 13; the answer names 13 (RFC 6455 section 4.4).
    /// 426; over HTTP/2, which has no upgrade, 400.
    #[error("sec-websocket-version must be 13")]
    Version,
    /// HTTP older than 1.1 (RFC 6455 section 4.1). 400.
    #[error("a WebSocket handshake needs HTTP/1.1")]
    HttpVersion,
    /// No `Host`, more than one, or one that is not a valid host (RFC 6455 section 4.2.1, point 2;
    /// RFC 9112 section 3.2). 400.
    #[error("a WebSocket handshake names one host")]
    Host,
    /// A handshake with a body. Its bytes would be read as frames. 400.
    #[error("a WebSocket handshake has no body")]
    Body,
    /// A GET on a WebSocket route without `Upgrade: websocket` and `Connection: Upgrade`. 426.
    #[error("this is a WebSocket route: upgrade to websocket")]
    NotAnUpgrade,
    /// A method other than GET on a WebSocket route. 405.
    #[error("a WebSocket handshake is a GET")]
    Method,
    /// A request over HTTP/2 on a WebSocket route that is not an extended CONNECT (RFC 8441 section
    /// 5). 405; the answer names CONNECT.
    #[cfg(feature = "http2")]
    #[error("over HTTP/2 a WebSocket handshake is a CONNECT with :protocol websocket")]
    NotConnect,
    /// A CONNECT over HTTP/2 whose `:protocol` is missing or not `websocket` (RFC 9220 section 3).
    /// 501.
    #[cfg(feature = "http2")]
    #[error("CONNECT is supported for :protocol websocket only")]
    Protocol,
    /// The path is longer than `limits.path`. 414.
    #[error("the path is longer than {limit} bytes")]
    PathTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The query is longer than `limits.query`. 414.
    #[error("the query is longer than {limit} bytes")]
    QueryTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A trusted proxy's `X-Forwarded-For` or `Forwarded` (RFC 7239) that does not name a client.
    /// 400.
    #[error("the header that names the client is malformed")]
    Forwarded,
    /// No route has this path. 404.
    #[error("no WebSocket route at {path}")]
    NoRoute {
        /// The requested path.
        path: String,
    },
    /// A path parameter that is not UTF-8 after percent-decoding. 400.
    #[error("a path parameter is not valid UTF-8")]
    PathEncoding,
    /// A parameter of the route's handlers that cannot be parsed from the handshake; the message
    /// names it. 400.
    #[error("{message}")]
    Param {
        /// The parameter and its fault.
        message: String,
    },
    /// The route supports none of the offered subprotocols and is set to refuse that. 400.
    #[error("none of the offered subprotocols is supported")]
    Subprotocol,
    /// A page of this origin may not connect (RFC 6455 section 10.2, `[servers.origin]`). 403.
    #[error("pages of this origin may not connect")]
    Origin,
    /// The handshake has no token and the middleware requires one
    /// ([`Handshake::bearer_token`](crate::Handshake::bearer_token)). 401.
    #[error("no bearer token")]
    TokenMissing,
    /// A token that is offered as a subprotocol and is not the base64url of UTF-8 text
    /// ([`Handshake::subprotocol_token`](crate::Handshake::subprotocol_token)). 401.
    #[error("the bearer subprotocol is not base64url")]
    TokenEncoding,
    /// The server has reached `limits.connections`. 503.
    #[error("the server is full")]
    Full,
    /// The peer's address has reached `limits.connections_per_ip`. 503.
    #[error("too many connections from this address")]
    AddressFull,
    /// The server is draining before it stops. 503.
    #[error("the server is draining")]
    Draining,
}

impl HandshakeError {
    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::KeyMissing
            | Self::KeyInvalid
            | Self::KeyRepeated
            | Self::Host
            | Self::HttpVersion
            | Self::Body
            | Self::PathEncoding
            | Self::Forwarded
            | Self::Param { .. }
            | Self::Subprotocol => StatusCode::BAD_REQUEST,
            Self::Version | Self::NotAnUpgrade => StatusCode::UPGRADE_REQUIRED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            #[cfg(feature = "http2")]
            Self::NotConnect => StatusCode::METHOD_NOT_ALLOWED,
            #[cfg(feature = "http2")]
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute { .. } => StatusCode::NOT_FOUND,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::TokenMissing | Self::TokenEncoding => StatusCode::UNAUTHORIZED,
            Self::PathTooLong { .. } | Self::QueryTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::Full | Self::AddressFull | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
