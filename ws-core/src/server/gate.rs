//! Prepares an accepted stream for HTTP: reads the PROXY header, then does the TLS handshake.
//!
//! Both run in the stream's own task, before the first request head. One deadline,
//! `handshake_timeout`, covers the PROXY header, TLS and the first head.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Once},
};

use tokio::net::TcpStream;

use super::{Certificates, Lifecycle, Pending, Stage, TlsError, proxy_protocol};
use crate::{
    config::{Proxy, ProxyProtocol, ServerConfig},
    socket::Transport,
    throttle::{Throttle, shown},
};

/// The PROXY and TLS settings of one listener.
pub(crate) struct Gate {
    server: Arc<str>,
    proxy: Proxy,
    certificates: Option<Arc<Certificates>>,
    /// Limits the warnings about streams of trusted proxies without a PROXY header.
    malformed: Throttle,
    /// Limits the warning about a zone in a PROXY header.
    zoned: Once,
    lifecycle: Lifecycle,
}

/// The facts about a stream before its first request. The default, without addresses, is for a pipe
/// inside the process.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// The client that a PROXY header names, or else the peer of the socket.
    pub(crate) peer: Option<SocketAddr>,
    /// The peer of the socket.
    pub(crate) transport: Option<SocketAddr>,
    pub(crate) pending: Pending,
}

impl Gate {
    /// Makes the gate. Reads the certificate if one is configured.
    pub(crate) fn new(server: &ServerConfig, lifecycle: &Lifecycle) -> Result<Self, TlsError> {
        let load = |files| Certificates::load(&server.name, files).map(Arc::new);
        Ok(Self {
            server: server.name.as_str().into(),
            proxy: server.proxy.clone(),
            certificates: server.tls.as_ref().map(load).transpose()?,
            malformed: Throttle::default(),
            zoned: Once::new(),
            lifecycle: lifecycle.clone(),
        })
    }

    /// Returns the certificates, which must be read again when their files change.
    pub(crate) fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// Runs the steps for a stream. Returns `None` if the stream was closed because it was too
    /// slow, its place was given to another stream, or a step failed.
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
        // Boxed, so that a plain stream does not carry the size of this future.
        let steps = Box::pin(self.steps(stream, expects_proxy_header, &arrival));
        let passed = tokio::select! {
            passed = steps => passed,
            () = arrival.pending.overdue() => Err(io::ErrorKind::TimedOut.into()),
            // No request was read yet, so there is nothing to answer.
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
            true => self.client(&mut stream, arrival.peer).await?,
            false => None,
        };
        if let Some(client) = client
            && !arrival.pending.belongs_to(client.ip())
        {
            return Err(io::Error::other("too many pending handshakes from this client"));
        }
        let transport = match &self.certificates {
            Some(certificates) => certificates.accept(stream).await?,
            None => Transport::Tcp(stream),
        };
        Ok(Passed { transport, client })
    }

    /// Reads the PROXY header of a trusted proxy.
    async fn client(
        &self,
        stream: &mut TcpStream,
        proxy: Option<SocketAddr>,
    ) -> io::Result<Option<SocketAddr>> {
        let read = proxy_protocol::read(stream).await;
        let header = read.inspect_err(|error| self.warn_of_malformed(proxy, error))?;
        if let Some(zoned) = header.zoned {
            self.zoned.call_once(|| self.warn_of_zone(proxy, &zoned));
        }
        Ok(header.source)
    }

    fn warn_of_malformed(&self, proxy: Option<SocketAddr>, error: &io::Error) {
        // A stream that ends without a whole header may be a health check.
        if error.kind() == io::ErrorKind::InvalidData
            && let Some(skipped) = self.malformed.due()
        {
            tracing::warn!(
                server = &*self.server,
                proxy = proxy.map(tracing::field::display),
                %error,
                skipped,
                "closed a stream: make the proxy send a PROXY header, or change `protocol` or `trusted` in \
                 [servers.proxy]",
            );
        }
    }

    fn warn_of_zone(&self, proxy: Option<SocketAddr>, header: &[u8]) {
        tracing::warn!(
            server = &*self.server,
            proxy = proxy.map(tracing::field::display),
            value = shown(header),
            "a trusted proxy names an address with a zone in its PROXY header, which is dropped. This is logged once",
        );
    }
}

/// A stream that is ready for HTTP.
struct Passed {
    transport: Transport,
    /// The client that a PROXY header names.
    client: Option<SocketAddr>,
}
