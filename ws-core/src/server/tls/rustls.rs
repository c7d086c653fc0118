//! TLS with rustls. The crypto provider is set here, so that the program does not have to install a
//! process-wide one.

use std::{fmt, io, path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    },
};

use super::TlsError;
use crate::{config::Tls, socket::Transport, sync::RwLock};

/// A server's certificate and key, as last read without an error.
pub(crate) struct Certificates {
    server: String,
    files: Tls,
    current: RwLock<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads the files. It blocks while it reads.
    pub(crate) fn load(server: &str, files: &Tls) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(config(server, files)?));
        Ok(Self { server: server.to_owned(), files: files.clone(), current })
    }

    /// Reads the files again. Later TLS handshakes use the new certificate. If a file is not valid,
    /// the old certificate stays in use.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        match config(&self.server, &self.files) {
            Ok(config) => {
                *self.current.write() = Arc::new(config);
                tracing::info!(server = self.server, "certificate reloaded");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "certificate not reloaded; the old one stays");
                Err(error)
            }
        }
    }

    /// Does the TLS handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Transport> {
        let current = Arc::clone(&self.current.read());
        let stream = TlsAcceptor::from(current).accept(stream).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("server", &self.server).field("files", &self.files).finish()
    }
}

fn config(server: &str, files: &Tls) -> Result<ServerConfig, TlsError> {
    let fault = |file: &Path, message: String| TlsError::File {
        server: server.to_owned(),
        file: file.to_owned(),
        message,
    };
    let chain = read(&files.certificate)
        .and_then(|pem| {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            chain.map_err(|error| error.to_string())
        })
        .and_then(|chain| {
            if chain.is_empty() {
                Err("no `-----BEGIN CERTIFICATE-----` in it".to_owned())
            } else {
                Ok(chain)
            }
        })
        .map_err(|message| fault(&files.certificate, message))?;
    let key = read(&files.key)
        .and_then(|pem| {
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
                pem::Error::NoItemsFound => "no `-----BEGIN PRIVATE KEY-----` in it".to_owned(),
                error => error.to_string(),
            })
        })
        .map_err(|message| fault(&files.key, message))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => fault(&files.certificate, error.to_string()),
            rustls::Error::InconsistentKeys(_) => {
                fault(&files.key, format!("it is not the key of {}", files.certificate.display()))
            }
            error => fault(&files.key, error.to_string()),
        })?;
    // Only HTTP/1.1 is offered, because a WebSocket upgrade needs it (RFC 6455 section 1.7).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| error.to_string())
}
