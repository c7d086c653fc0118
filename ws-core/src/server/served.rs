//! [`served`]: serves one stream, from its first byte until its connection is closed.

use std::pin::Pin;

use super::Permit;
use crate::{caught::Witness, session::Served};

/// A connection that is ready to be served, and its permit under the connection limits.
pub(crate) struct Opened {
    pub(crate) connection: Served,
    pub(crate) permit: Permit,
}

/// Runs the handshake of a stream, then serves the resulting connection. The handshake's future is
/// dropped before the connection is served, so that an idle connection does not keep its memory.
pub(crate) async fn served(received: Pin<Box<dyn Future<Output = Option<Opened>> + Send>>) {
    let _witness = Witness("a connection");
    let opened = received.await;
    if let Some(Opened { connection, permit }) = opened {
        connection.await;
        drop(permit);
    }
}
