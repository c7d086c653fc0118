//! The TLS handshake, by rustls.
//!
//! The crypto provider is named here: rustls panics without a process default when two providers
//! are compiled in. This file must not read the system's certificates.

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
    transport::{Io, Transport},
};

/// Performs the TLS handshake over a connected stream. `roots` are certificates in PEM that are
/// trusted besides the built-in ones.
pub(super) async fn wrap(stream: impl Io, host: &str, roots: &[Vec<u8>]) -> Result<Transport, ConnectError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| fault(error.to_string()))?;
    let connector = TlsConnector::from(Arc::new(config(roots)?));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            Err(ConnectError::Tls(error))
        }
        Err(error) => Err(ConnectError::Io(error)),
    }
}

fn config(roots: &[Vec<u8>]) -> Result<ClientConfig, ConnectError> {
    let mut store = RootCertStore::empty();
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for pem in roots {
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| fault(error.to_string()))?;
            store.add(certificate).map_err(|error| fault(error.to_string()))?;
        }
        if store.len() == before {
            return Err(fault("no certificate in the PEM given to `root_certificates_pem`".to_owned()));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    // The upgrade is a mechanism of HTTP/1.1 (RFC 6455 section 4.1).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn fault(text: String) -> ConnectError {
    ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, text))
}
