//! From an accepted stream to one that HTTP is read from: the PROXY header, then the TLS handshake, under one deadline.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Certificates, Lifecycle, Stage, TlsError, Transport,
    addresses::{AddressPermit, Addresses},
    proxy_protocol,
};
use crate::{
    config::{Proxy, ProxyProtocol, ServerConfig},
    throttle::{Throttle, shown},
};

/// What stands in front of one listener.
pub(crate) struct Gate {
    server: Arc<str>,
    proxy: Proxy,
    certificates: Option<Arc<Certificates>>,
    timeout: Duration,
    /// Where addresses are counted: the streams of each that are no connection yet.
    pending: Option<Arc<Addresses>>,
    /// Warnings about streams of trusted proxies without a PROXY header, and the one about zones in
    /// it.
    malformed: Throttle,
    zoned: Once,
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

/// A stream's room among the pending handshakes, and how long it may have it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    room: Mutex<Option<Room>>,
    /// When the first head has to be there; counted from accept.
    deadline: Option<Instant>,
}

/// Room for one, among all and among those of its address.
#[derive(Debug)]
struct Room {
    _of_all: OwnedSemaphorePermit,
    _of_address: Option<AddressPermit>,
}

impl Pending {
    pub(crate) fn new(
        of_all: OwnedSemaphorePermit,
        of_address: Option<AddressPermit>,
        deadline: Instant,
    ) -> Self {
        let room = Room { _of_all: of_all, _of_address: of_address };
        Self { room: Mutex::new(Some(room)), deadline: Some(deadline) }
    }

    /// What is asked for is no handshake: others may have its room.
    pub(crate) fn give_back(&self) {
        self.room().take();
    }

    /// Waits until the deadline is over, for ever if the room is given back before.
    pub(crate) async fn overdue(&self) {
        match self.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
        if self.room().is_none() {
            pending().await
        }
    }

    fn room(&self) -> MutexGuard<'_, Option<Room>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
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
            pending: server.limits.connections_per_ip.map(|limit| Arc::new(Addresses::pending(limit))),
            malformed: Throttle::default(),
            zoned: Once::new(),
            lifecycle: lifecycle.clone(),
        })
    }

    /// What has to be read again when its files change.
    pub(crate) fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// Lets a stream through; `None` if it was cut. An address that has as many pending as it may have is not answered: each
    /// answer would take as long, and as much room, as its silent peer likes.
    pub(crate) async fn pass(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        room: OwnedSemaphorePermit,
    ) -> Option<(Transport, Arrival)> {
        let deadline = Instant::now() + self.timeout;
        let of_address = match &self.pending {
            // A proxy stands for many.
            Some(addresses) if !self.proxy.trusts(peer.ip()) => {
                let permit = addresses.enter(peer.ip());
                if permit.is_none() {
                    tracing::debug!(server = &*self.server, %peer, "too many pending handshakes of this address");
                }
                Some(permit?)
            }
            _ => None,
        };
        let pending = Pending::new(room, of_address, deadline);
        let mut arrival = Arrival { peer: Some(peer), transport: Some(peer), pending };
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
        if says_who {
            let read = proxy_protocol::read(&mut stream).await;
            let header = read.inspect_err(|error| self.warn_of_malformed(arrival.peer, error))?;
            if let Some(zoned) = header.zoned {
                self.zoned.call_once(|| self.warn_of_zone(arrival.peer, &zoned));
            }
            arrival.peer = header.source.or(arrival.peer);
        }
        match &self.certificates {
            Some(certificates) => certificates.accept(stream).await,
            None => Ok(Transport::Tcp(stream)),
        }
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
