//! TLS on a listener: the certificate of a server, read at start and again on reload.
//!
//! With the feature `tls`, rustls implements it. Without the feature, [`Certificates`] has no
//! values, and `[servers.tls]` in the configuration is a start error that names the feature.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod rustls;

use std::path::PathBuf;

#[cfg(not(feature = "tls"))]
pub(crate) use self::absent::Certificates;
#[cfg(feature = "tls")]
pub(crate) use self::rustls::Certificates;

/// The reason why a server cannot use TLS as configured. Reported at start and on reload.
///
/// ```
/// use ws_core::{Running, app::TlsError};
///
/// # #[cfg(feature = "tls")]
/// fn reload(running: &Running) {
///     match running.reload_tls() {
///         Ok(()) => println!("reloaded"),
///         Err(TlsError::File { file, message, .. }) => println!("{}: {message}", file.display()),
///         Err(error) => println!("{error}"),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or its content is not valid.
    #[error("server `{server}` cannot use {}: {message}", file.display())]
    File {
        /// The name of the server.
        server: String,
        /// The path of the file, as configured.
        file: PathBuf,
        /// A description of the fault.
        message: String,
    },
    /// The configuration has `[servers.tls]`, but ws-core is built without the feature `tls`.
    #[error(
        "server `{server}` has `[servers.tls]`, which needs the feature `tls` of ws-core; write `features = [\"tls\"]`"
    )]
    NotEnabled {
        /// The name of the server.
        server: String,
    },
}
