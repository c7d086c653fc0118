//! The replacement for TLS if the feature `tls` is off.

use std::io;

use tokio::net::TcpStream;

use super::TlsError;
use crate::{config::Tls, socket::Transport};

/// A type without values: certificates cannot be loaded without the feature.
#[derive(Debug)]
pub(crate) enum Certificates {}

impl Certificates {
    pub(crate) fn load(server: &str, _: &Tls) -> Result<Self, TlsError> {
        Err(TlsError::NotEnabled { server: server.to_owned() })
    }

    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        match *self {}
    }

    pub(crate) async fn accept(&self, _: TcpStream) -> io::Result<Transport> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_without_the_feature_is_an_error_that_names_it() {
        let error = Certificates::load("ws", &Tls::new("chain.pem", "key.pem")).unwrap_err();
        assert!(error.to_string().contains("the feature `tls` of ws-core"), "{error}");
    }
}
