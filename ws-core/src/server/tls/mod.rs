//! TLS on a listener: the certificate of a server, read at start and again when asked to.
//!
//! With the feature `tls` it is rustls's; without it there is no [`Certificates`] at all, and asking for some is an
//! error that names the feature.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod rustls;

use std::path::PathBuf;

#[cfg(not(feature = "tls"))]
pub(crate) use self::absent::Certificates;
#[cfg(feature = "tls")]
pub(crate) use self::rustls::Certificates;

/// Why a server cannot have TLS as its configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read, or does not hold what it should.
    #[error("server `{server}` cannot use {}: {message}", file.display())]
    File {
        /// The server.
        server: String,
        /// The file, as configured.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// `[servers.tls]` in a program that is built without it.
    #[error(
        "server `{server}` has `[servers.tls]`, which needs the feature `tls` of ws-core; write `features = [\"tls\"]`"
    )]
    NotEnabled {
        /// The server.
        server: String,
    },
}
