//! [`served`]: a stream's whole way, from the first byte to the end of its connection.

use std::pin::Pin;

use super::Permit;
use crate::{caught::Witness, session::Served};

/// A connection that is ready to be served, and its place among those that may be open.
pub(crate) struct Opened {
    pub(crate) connection: Served,
    pub(crate) permit: Permit,
}

/// Receives a stream, then serves the connection that it became. The first part is dropped before the
/// second begins, with all that it needed: an idle connection keeps only the second.
pub(crate) async fn served(received: Pin<Box<dyn Future<Output = Option<Opened>> + Send>>) {
    let _witness = Witness("a connection");
    let opened = received.await;
    if let Some(Opened { connection, permit }) = opened {
        connection.await;
        drop(permit);
    }
}
