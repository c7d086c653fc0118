//! TLS to a broker: the certificates of `[cluster.tls]`, and the crypto provider that the rest of
//! this crate uses.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::config::ClusterTls;

/// Reads the certificates.
pub(super) fn config(tls: &ClusterTls) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            for certificate in certificates("ca", file)? {
                roots.add(certificate).map_err(|error| fault("ca", file, &error))?;
            }
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    match (&tls.certificate, &tls.key) {
        (None, None) => Ok(config.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fault("key", key, &error))?;
            config
                .with_client_auth_cert(certificates("certificate", certificate)?, private)
                .map_err(|error| fault("certificate", certificate, &error))
        }
        _ => Err("`cluster.tls.certificate` and `cluster.tls.key` need each other".to_owned()),
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all.map_err(|error| fault(key, file, &error))? {
        none if none.is_empty() => Err(format!("`cluster.tls.{key}`: {} has no certificate", file.display())),
        certificates => Ok(certificates),
    }
}

fn fault(key: &str, file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("`cluster.tls.{key}`: {}: {error}", file.display())
}
