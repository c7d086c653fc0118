//! From an accepted stream to one that HTTP is read from: the PROXY header, then the TLS handshake. Both
//! are part of the head that the stream owes: one deadline covers them all.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpStream;

use super::{Certificates, Lifecycle, Pending, Stage, TlsError, Transport, proxy_protocol};
use crate::config::{Proxy, ProxyProtocol, ServerConfig};

/// What stands in front of one listener.
pub(crate) struct Gate {
    server: Arc<str>,
    proxy: Proxy,
    certificates: Option<Arc<Certificates>>,
    lifecycle: Lifecycle,
}

/// What is known of a stream before its first request. By default nothing, as of a pipe inside the process.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// The peer: who connected, or whom a PROXY header names.
    pub(crate) peer: Option<SocketAddr>,
    /// Who connected.
    pub(crate) transport: Option<SocketAddr>,
    pub(crate) pending: Pending,
}

impl Gate {
    /// Reads the certificate, if there is to be one.
    pub(crate) fn new(server: &ServerConfig, lifecycle: &Lifecycle) -> Result<Self, TlsError> {
        let load = |files| Certificates::load(&server.name, files).map(Arc::new);
        Ok(Self {
            server: server.name.as_str().into(),
            proxy: server.proxy.clone(),
            certificates: server.tls.as_ref().map(load).transpose()?,
            lifecycle: lifecycle.clone(),
        })
    }

    /// What has to be read again when its files change.
    pub(crate) fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// Lets a stream through. `None` if it was closed: too late, given up for another stream, or faulty.
    pub(crate) async fn pass(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        pending: Pending,
    ) -> Option<(Transport, Arrival)> {
        let mut arrival = Arrival { peer: Some(peer), transport: Some(peer), pending };
        let expects_proxy_header = self.proxy.protocol != ProxyProtocol::Off && self.proxy.trusts(peer.ip());
        if !expects_proxy_header && self.certificates.is_none() {
            return Some((Transport::Tcp(stream), arrival));
        }
        // Boxed, so that a plain stream does not pay for it.
        let steps = Box::pin(self.steps(stream, expects_proxy_header, &arrival));
        let passed = tokio::select! {
            passed = steps => passed,
            () = arrival.pending.overdue() => Err(io::ErrorKind::TimedOut.into()),
            // No request has come yet, so there is none to answer.
            () = self.lifecycle.reached(Stage::Closing) => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        match passed {
            Ok(Passed { transport, client }) => {
                arrival.peer = client.or(arrival.peer);
                Some((transport, arrival))
            }
            Err(error) => {
                tracing::debug!(server = &*self.server, %peer, %error, "no handshake");
                None
            }
        }
    }

    async fn steps(
        &self,
        mut stream: TcpStream,
        expects_proxy_header: bool,
        arrival: &Arrival,
    ) -> io::Result<Passed> {
        let client = match expects_proxy_header {
            true => proxy_protocol::read(&mut stream).await?,
            false => None,
        };
        if let Some(client) = client
            && !arrival.pending.belongs_to(client.ip())
        {
            return Err(io::Error::other("too many unfinished requests of this client"));
        }
        let transport = match &self.certificates {
            Some(certificates) => certificates.accept(stream).await?,
            None => Transport::Tcp(stream),
        };
        Ok(Passed { transport, client })
    }
}

/// A stream that HTTP can be read from.
struct Passed {
    transport: Transport,
    /// The client that a PROXY header names.
    client: Option<SocketAddr>,
}
