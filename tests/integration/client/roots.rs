//! The certificates that `wss://` trusts: a given configuration, and those of the system.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use tokio::io::DuplexStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async;
use ws_core::{
    Message,
    client::{Client, ClientBuilder, ConnectError, rustls},
};

use super::{certificate, echo_one, next_message, within};

/// A TLS server with this configuration at the other end of a stream.
fn serve(tls: &Arc<rustls::ServerConfig>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(4096);
    let acceptor = TlsAcceptor::from(Arc::clone(tls));
    tokio::spawn(async move {
        let Ok(stream) = acceptor.accept(far).await else { return };
        echo_one(accept_async(stream).await.unwrap()).await;
    });
    near
}

async fn talks(builder: ClientBuilder, tls: &Arc<rustls::ServerConfig>) -> Result<(), ConnectError> {
    let mut client = within("connect", builder.connect_over(serve(tls))).await?;
    client.send("hi").await.unwrap();
    assert_eq!(next_message(&mut client).await, Message::text("hi"));
    Ok(())
}

fn config_that_trusts(pem: &str) -> rustls::ClientConfig {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test]
async fn a_given_rustls_configuration_decides_which_certificates_are_trusted() {
    let (pem, tls) = certificate();
    let (_, other) = certificate();
    let builder = || Client::builder("wss://localhost/").rustls_config(Arc::new(config_that_trusts(&pem)));
    talks(builder(), &tls).await.unwrap();
    let error = talks(builder(), &other).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");

    for both in [builder().root_certificates_pem(pem.clone()), builder().native_roots()] {
        let error = talks(both, &tls).await.unwrap_err();
        assert!(error.to_string().contains("`rustls_config` alone decides"), "{error}");
    }
}

/// The environment belongs to the whole process, so this test runs itself in another process.
#[tokio::test]
async fn the_systems_roots_are_trusted_in_place_of_the_built_in_ones() {
    let folder = std::env::temp_dir().join(format!("ws-native-roots-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (key, none) = (folder.join("server"), folder.join("none.pem"));
    std::fs::write(&none, "").unwrap();
    let child = |file: &std::path::Path| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([
            "--exact",
            "client::roots::with_the_roots_of_the_environment",
            "--ignored",
            "--nocapture",
        ]);
        child.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").env("WS_TEST_SERVER", &key);
        child.stdin(Stdio::null()).output().unwrap()
    };
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_der()).unwrap();
    std::fs::write(key.with_extension("der"), certificate.cert.der()).unwrap();
    let trusted = folder.join("trusted.pem");
    std::fs::write(&trusted, certificate.cert.pem()).unwrap();

    for (file, expected) in [(&trusted, "talked"), (&none, "the system has no root certificate")] {
        let output = child(file);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains(expected), "{expected}: {output:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
#[ignore = "another test runs it, with its own environment"]
async fn with_the_roots_of_the_environment() {
    let Some(key) = std::env::var_os("WS_TEST_SERVER").map(std::path::PathBuf::from) else { return };
    let certificate = std::fs::read(key.with_extension("der")).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(std::fs::read(key).unwrap().into());
    let tls =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], key)
            .unwrap();
    let tls = Arc::new(tls);
    match talks(Client::builder("wss://localhost/").native_roots(), &tls).await {
        Ok(()) => eprintln!("talked"),
        Err(error) => return eprintln!("{error}"),
    }
    // Mozilla's list does not contain it.
    talks(Client::builder("wss://localhost/"), &tls).await.unwrap_err();
}
