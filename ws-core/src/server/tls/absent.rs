//! What stands in for TLS without the feature `tls`.

use std::io;

use tokio::net::TcpStream;

use super::TlsError;
use crate::{config::Tls, server::Transport};

/// There are none.
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
