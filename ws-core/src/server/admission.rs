//! Who gets in: how many sockets a server has, how many an address has, and whose address it is.
//!
//! Behind a proxy that names its clients in a header the client is known only with the request, so its place is taken
//! then; everyone else's is taken with the stream.

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
    /// Warnings about headers of proxies that cannot be read, and the one about what is dropped
    /// from them.
    malformed: Throttle,
    odd: Once,
    /// One for every socket that may be open.
    connections: Arc<Semaphore>,
    addresses: Option<Arc<Addresses>>,
}

/// A stream's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Permit {
    _connection: OwnedSemaphorePermit,
    /// Boxed: most servers do not count addresses, and this is kept as long as the connection.
    address: Option<Box<AddressPermit>>,
}

impl Permit {
    /// The same with the place of its client, if that is known by request only.
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
            odd: Once::new(),
            connections: Arc::new(Semaphore::new(connections)),
            addresses: server.limits.connections_per_ip.map(|limit| Arc::new(Addresses::new(limit))),
        }
    }

    /// A place for a stream of this peer.
    pub(crate) fn admit(&self, peer: Option<SocketAddr>) -> Result<Permit, HandshakeError> {
        let connection = Arc::clone(&self.connections).try_acquire_owned();
        let connection = connection.map_err(|_| HandshakeError::Full)?;
        let counted = peer.filter(|peer| !self.is_spokesman(*peer));
        Ok(Permit { _connection: connection, address: self.enter(counted)?.map(Box::new) })
    }

    /// The client of a request over a stream of this peer.
    pub(crate) fn client(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Result<Caller, HandshakeError> {
        let Some(proxy) = peer.filter(|peer| self.is_spokesman(*peer)) else {
            return Ok(Caller { addr: peer, host: None });
        };
        match forwarded::client(&self.proxy, proxy, headers) {
            Ok(found) => {
                if found.is_odd {
                    self.odd.call_once(|| self.warn_of_odd(proxy, headers));
                }
                Ok(Caller { addr: Some(found.addr), host: found.host })
            }
            Err(forwarded::Malformed) => {
                self.warn_of_malformed(proxy, headers);
                Err(HandshakeError::Forwarded)
            }
        }
    }

    fn warn_of_odd(&self, proxy: SocketAddr, headers: &HeaderMap) {
        let Some(name) = forwarded::header_name(self.proxy.header) else { return };
        tracing::warn!(
            server = &*self.server,
            %proxy,
            header = %name,
            value = shown_lines(headers, &name),
            "a trusted proxy names an address with a zone, which is dropped, or a Unix socket, which has no address: \
             the proxy stands for that client. This is logged once",
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

    /// A place for the connection to come, if it is counted by its client: the stream's own peer has been counted.
    pub(crate) fn admit_client(
        &self,
        peer: Option<SocketAddr>,
        addr: Option<SocketAddr>,
    ) -> Result<Option<AddressPermit>, HandshakeError> {
        self.enter(addr.filter(|_| peer.is_some_and(|peer| self.is_spokesman(peer))))
    }

    fn enter(&self, address: Option<SocketAddr>) -> Result<Option<AddressPermit>, HandshakeError> {
        match (&self.addresses, address) {
            (Some(addresses), Some(address)) => {
                addresses.enter(address.ip()).map(Some).ok_or(HandshakeError::AddressFull)
            }
            _ => Ok(None),
        }
    }

    /// Whether this peer names the clients of its requests.
    fn is_spokesman(&self, peer: SocketAddr) -> bool {
        self.proxy.header != ForwardedHeader::Off && self.proxy.trusts(peer.ip())
    }
}
