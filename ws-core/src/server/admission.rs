//! Who gets in: how many sockets a server has, how many an address has, and whose address it is.
//!
//! Behind a proxy that names its clients in a header the client is known only with the request, so its place is taken
//! then; everyone else's is taken with the stream.

use std::{net::SocketAddr, sync::Arc};

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    addresses::{AddressPermit, Addresses},
    forwarded,
};
use crate::{
    config::{ForwardedHeader, Proxy, ServerConfig},
    error::HandshakeError,
};

pub(crate) struct Admission {
    proxy: Proxy,
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

/// Whom a request is from.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) addr: Option<SocketAddr>,
    /// Its place, if it is counted by request.
    pub(crate) permit: Option<AddressPermit>,
}

impl Admission {
    pub(crate) fn new(server: &ServerConfig) -> Self {
        let connections = server.limits.connections.min(Semaphore::MAX_PERMITS);
        Self {
            proxy: server.proxy.clone(),
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

    /// Whom a request over a stream of this peer is from.
    pub(crate) fn client(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<SocketAddr>, HandshakeError> {
        match peer.filter(|peer| self.is_spokesman(*peer)) {
            Some(peer) => match forwarded::client(&self.proxy, peer, headers) {
                Ok(client) => Ok(Some(client)),
                Err(forwarded::Malformed) => Err(HandshakeError::Forwarded),
            },
            None => Ok(peer),
        }
    }

    /// A place for the connection to come, if it is counted by its client: the stream's own peer has been counted.
    pub(crate) fn admit_client(
        &self,
        peer: Option<SocketAddr>,
        addr: Option<SocketAddr>,
    ) -> Result<Client, HandshakeError> {
        let counted = addr.filter(|_| peer.is_some_and(|peer| self.is_spokesman(peer)));
        Ok(Client { addr, permit: self.enter(counted)? })
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
