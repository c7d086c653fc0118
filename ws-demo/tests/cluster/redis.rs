//! A Redis server of one test.

pub(super) use super::server::free_port;
use super::server::{self, Server};

/// A running server, which is killed when it is dropped.
pub(super) struct Redis(Server);

impl Redis {
    /// Starts a server on a free port. Returns `None` if Redis is not installed, unless
    /// `WS_TESTS_NEED_REDIS` is set.
    pub(super) fn start() -> Option<Self> {
        Server::redis().map(Self)
    }

    /// Starts a server on this port.
    pub(super) fn start_on(port: u16) -> Self {
        Self(Server::redis_on(port))
    }

    /// The address, for `WS__CLUSTER__URL`.
    pub(super) fn url(&self) -> String {
        url(self.0.port())
    }
}

/// The address of a server on this port.
pub(super) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// Whether `redis-server` is installed. Without it, this prints that the test is skipped.
pub(super) fn is_installed() -> bool {
    server::is_installed("redis-server", "WS_TESTS_NEED_REDIS")
}
