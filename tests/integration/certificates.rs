//! Certificates of the tests: the files of a server, and a client that trusts them.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, rustls};
use ws_core::{Config, config::Tls};

use crate::support::{config, within};

/// A certificate for `localhost`, and its files for a server.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A certificate that a test made.
pub(crate) struct Made(pub(crate) rcgen::CertifiedKey<rcgen::KeyPair>);

impl Made {
    pub(crate) fn new() -> Self {
        Self(rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.cert.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.0.signing_key.serialize_pem()
    }
}

impl Files {
    /// Writes files that no other test uses.
    pub(crate) fn new(made: &Made) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tls-{}-{number}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let files = Self { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        files.write(made);
        files
    }

    pub(crate) fn write(&self, made: &Made) {
        std::fs::write(&self.certificate, made.pem()).unwrap();
        std::fs::write(&self.key, made.key_pem()).unwrap();
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::new(&self.certificate, &self.key)
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = config();
        config.servers[0].tls = Some(self.tls());
        config
    }
}

pub(crate) type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Opens a TLS stream with a client of another library, which offers this protocol.
pub(crate) async fn handshaken(addr: SocketAddr, made: &Made, alpn: &[u8]) -> std::io::Result<TlsStream> {
    handshaken_from(([127, 0, 0, 1], 0).into(), addr, made, alpn).await
}

/// The same from this address.
pub(crate) async fn handshaken_from(
    from: SocketAddr,
    addr: SocketAddr,
    made: &Made,
    alpn: &[u8],
) -> std::io::Result<TlsStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.0.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let stream = socket.connect(addr).await?;
    let name = "localhost".try_into().unwrap();
    within("TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}
