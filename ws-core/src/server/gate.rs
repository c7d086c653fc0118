//! From an accepted stream to one that HTTP is read from: the PROXY header, then the TLS handshake, under one deadline.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{Certificates, Lifecycle, Stage, TlsError, Transport, proxy_protocol};
use crate::config::{Proxy, ProxyProtocol, ServerConfig};

/// What stands in front of one listener.
pub(crate) struct Gate {
    server: Arc<str>,
    proxy: Proxy,
    certificates: Option<Arc<Certificates>>,
    timeout: Duration,
    lifecycle: Lifecycle,
}

/// What is known of a stream before its first request. By default nothing, as of a pipe inside the process.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// The peer: who connected, or whom a PROXY header names.
    pub(crate) peer: Option<SocketAddr>,
    /// Who connected.
    pub(crate) transport: Option<SocketAddr>,
    /// When the first head has to be there.
    pub(crate) deadline: Option<Instant>,
    /// Its room among the pending handshakes.
    pub(crate) pending: Option<OwnedSemaphorePermit>,
}

impl Arrival {
    /// What is left for the head of a request.
    pub(crate) fn head_timeout(&self, otherwise: Duration) -> Duration {
        self.deadline.map_or(otherwise, |deadline| deadline.duration_since(Instant::now()))
    }
}

impl Gate {
    /// Reads the certificate, if there is to be one.
    pub(crate) fn new(server: &ServerConfig, lifecycle: &Lifecycle) -> Result<Self, TlsError> {
        let load = |files| Certificates::load(&server.name, files).map(Arc::new);
        Ok(Self {
            server: server.name.as_str().into(),
            proxy: server.proxy.clone(),
            certificates: server.tls.as_ref().map(load).transpose()?,
            timeout: server.limits.handshake_timeout,
            lifecycle: lifecycle.clone(),
        })
    }

    /// What has to be read again when its files change.
    pub(crate) fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// Lets a stream through; `None` if it was cut.
    pub(crate) async fn pass(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        pending: OwnedSemaphorePermit,
    ) -> Option<(Transport, Arrival)> {
        let deadline = Instant::now() + self.timeout;
        let mut arrival = Arrival {
            peer: Some(peer),
            transport: Some(peer),
            deadline: Some(deadline),
            pending: Some(pending),
        };
        let says_who = self.proxy.protocol != ProxyProtocol::Off && self.proxy.trusts(peer.ip());
        if !says_who && self.certificates.is_none() {
            return Some((Transport::Tcp(stream), arrival));
        }
        // Boxed, so that the plain way does not carry it.
        let steps = timeout_at(deadline, Box::pin(self.steps(stream, says_who, &mut arrival)));
        let passed = tokio::select! {
            passed = steps => passed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            // Nothing was asked yet, so there is nobody to be told that the server stops.
            () = self.lifecycle.reached(Stage::Closing) => Err(io::ErrorKind::ConnectionAborted.into()),
        };
        match passed {
            Ok(transport) => Some((transport, arrival)),
            Err(error) => {
                tracing::debug!(server = &*self.server, %peer, %error, "no handshake");
                None
            }
        }
    }

    async fn steps(
        &self,
        mut stream: TcpStream,
        says_who: bool,
        arrival: &mut Arrival,
    ) -> io::Result<Transport> {
        if says_who && let Some(client) = proxy_protocol::read(&mut stream).await? {
            arrival.peer = Some(client);
        }
        match &self.certificates {
            Some(certificates) => certificates.accept(stream).await,
            None => Ok(Transport::Tcp(stream)),
        }
    }
}
