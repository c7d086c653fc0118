//! Applies the limits on open sockets, per server and per client address, and finds the client's
//! address.
//!
//! If a trusted proxy names its clients in a header, the client is known only from the request, so
//! it is counted then. All other clients are counted when the stream is accepted.

use std::{
    net::SocketAddr,
    sync::{Arc, Once},
};

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    addresses::{AddressPermit, Addresses},
    forwarded,
};
use crate::{
    config::{ForwardedHeader, Proxy, ServerConfig},
    error::HandshakeError,
    handshake::Caller,
    throttle::{Throttle, shown_lines},
};

pub(crate) struct Admission {
    server: Arc<str>,
    proxy: Proxy,
    /// Limits the warnings about headers of proxies that cannot be read.
    malformed: Throttle,
    /// Limits the warning about a zone or a Unix socket in such a header.
    unusable_part: Once,
    /// One permit for each socket that may be open.
    connections: Arc<Semaphore>,
    addresses: Option<Arc<Addresses>>,
}

/// The permit of one stream under the connection limits. Dropping it releases the permit.
#[derive(Debug)]
pub(crate) struct Permit {
    _connection: OwnedSemaphorePermit,
    /// Boxed, because most servers do not count addresses and the permit lives as long as the
    /// connection.
    address: Option<Box<AddressPermit>>,
}

impl Permit {
    /// Adds the permit of the client's address, if only the request names the client.
    pub(crate) fn with(self, client: Option<AddressPermit>) -> Self {
        Self { address: self.address.or(client.map(Box::new)), ..self }
    }
}

impl Admission {
    pub(crate) fn new(server: &ServerConfig) -> Self {
        let connections = server.limits.connections.min(Semaphore::MAX_PERMITS);
        Self {
            server: server.name.as_str().into(),
            proxy: server.proxy.clone(),
            malformed: Throttle::default(),
            unusable_part: Once::new(),
            connections: Arc::new(Semaphore::new(connections)),
            addresses: server.limits.connections_per_ip.map(|limit| Arc::new(Addresses::new(limit))),
        }
    }

    /// Admits a stream of this peer.
    ///
    /// # Errors
    /// [`HandshakeError::Full`] or [`HandshakeError::AddressFull`] if a limit is reached.
    pub(crate) fn admit(&self, peer: Option<SocketAddr>) -> Result<Permit, HandshakeError> {
        let connection = Arc::clone(&self.connections).try_acquire_owned();
        let connection = connection.map_err(|_| HandshakeError::Full)?;
        let counted = peer.filter(|peer| !self.names_clients(*peer));
        Ok(Permit { _connection: connection, address: self.enter(counted)?.map(Box::new) })
    }

    /// Finds the client of a request on a stream of this peer.
    pub(crate) fn client(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Result<Caller, HandshakeError> {
        let Some(proxy) = peer.filter(|peer| self.names_clients(*peer)) else {
            return Ok(Caller { addr: peer, host: None });
        };
        match forwarded::client(&self.proxy, proxy, headers) {
            Ok(found) => {
                if found.has_unusable_part {
                    self.unusable_part.call_once(|| self.warn_of_unusable_part(proxy, headers));
                }
                Ok(Caller { addr: Some(found.addr), host: found.host })
            }
            Err(forwarded::Malformed) => {
                self.warn_of_malformed(proxy, headers);
                Err(HandshakeError::Forwarded)
            }
        }
    }

    fn warn_of_unusable_part(&self, proxy: SocketAddr, headers: &HeaderMap) {
        let Some(name) = forwarded::header_name(self.proxy.header) else { return };
        tracing::warn!(
            server = &*self.server,
            %proxy,
            header = %name,
            value = shown_lines(headers, &name),
            "a trusted proxy names an address with a zone, which is dropped, or a Unix socket, which has no address and \
             is replaced by the proxy's own address. This is logged once",
        );
    }

    fn warn_of_malformed(&self, proxy: SocketAddr, headers: &HeaderMap) {
        let (Some(name), Some(skipped)) = (forwarded::header_name(self.proxy.header), self.malformed.due())
        else {
            return;
        };
        tracing::warn!(
            server = &*self.server,
            %proxy,
            header = %name,
            value = shown_lines(headers, &name),
            skipped,
            "refused a request with 400: this header of a trusted proxy does not name a client; correct the proxy, or \
             change `header` or `trusted` in [servers.proxy]",
        );
    }

    /// Admits the client of a request, if a trusted proxy names it. In all other cases the peer was
    /// already counted by [`admit`](Self::admit).
    pub(crate) fn admit_client(
        &self,
        peer: Option<SocketAddr>,
        addr: Option<SocketAddr>,
    ) -> Result<Option<AddressPermit>, HandshakeError> {
        self.enter(addr.filter(|_| peer.is_some_and(|peer| self.names_clients(peer))))
    }

    fn enter(&self, address: Option<SocketAddr>) -> Result<Option<AddressPermit>, HandshakeError> {
        match (&self.addresses, address) {
            (Some(addresses), Some(address)) => {
                addresses.enter(address.ip()).map(Some).ok_or(HandshakeError::AddressFull)
            }
            _ => Ok(None),
        }
    }

    /// Returns whether this peer is a trusted proxy that names its clients in a header.
    fn names_clients(&self, peer: SocketAddr) -> bool {
        self.proxy.header != ForwardedHeader::Off && self.proxy.trusts(peer.ip())
    }
}
