//! The TLS handshake, by rustls.
//!
//! The crypto provider is set explicitly: rustls panics if two providers are compiled in and the
//! process has no default. The system's certificates are read only if `native_roots` asks for them.

use std::{io, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::{
    error::ConnectError,
    settings::TlsSettings,
    transport::{Io, Transport},
};

/// Performs the TLS handshake over a connected stream.
pub(super) async fn wrap(
    stream: impl Io,
    host: &str,
    settings: &TlsSettings,
) -> Result<Transport, ConnectError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| fault(error.to_string()))?;
    let connector = TlsConnector::from(config(settings).await?);
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            Err(ConnectError::Tls(error))
        }
        Err(error) => Err(ConnectError::Io(error)),
    }
}

async fn config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, ConnectError> {
    if let Some(config) = &settings.config {
        if has_roots(settings) {
            let why =
                "`rustls_config` alone decides which certificates are trusted; put the other roots into it";
            return Err(fault(why.to_owned()));
        }
        return Ok(Arc::clone(config));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?
        .with_root_certificates(roots(settings).await?)
        .with_no_client_auth();
    // The upgrade is a mechanism of HTTP/1.1 (RFC 6455 section 4.1).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Whether roots were chosen that a whole configuration would override.
fn has_roots(settings: &TlsSettings) -> bool {
    #[cfg(feature = "client-native-roots")]
    if settings.has_native_roots {
        return true;
    }
    !settings.root_certificates.is_empty()
}

/// Returns the trusted certificates: a list, and those in PEM.
async fn roots(settings: &TlsSettings) -> Result<RootCertStore, ConnectError> {
    let mut store = list(settings).await?;
    for pem in &settings.root_certificates {
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| fault(error.to_string()))?;
            store.add(certificate).map_err(|error| fault(error.to_string()))?;
        }
        if store.len() == before {
            return Err(fault("no certificate in the PEM given to `root_certificates_pem`".to_owned()));
        }
    }
    Ok(store)
}

/// Returns the certificates of the system if they are asked for, else Mozilla's.
async fn list(settings: &TlsSettings) -> Result<RootCertStore, ConnectError> {
    #[cfg(feature = "client-native-roots")]
    if settings.has_native_roots {
        return native().await;
    }
    let _ = settings;
    Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

/// Reads the system's certificates. This reads files, so a blocking task does it.
#[cfg(feature = "client-native-roots")]
async fn native() -> Result<RootCertStore, ConnectError> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|_| fault("the task that reads the system's certificates was cancelled".to_owned()))?;
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system cannot be read");
    }
    let mut store = RootCertStore::empty();
    let (added, skipped) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        let cause = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(fault(format!("the system has no root certificate that can be used{cause}")));
    }
    tracing::trace!(added, skipped, "read the system's root certificates");
    Ok(store)
}

fn fault(text: String) -> ConnectError {
    ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, text))
}
