//! [`Serving`]: serves one stream, from its first byte until its connection is closed.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::Permit;
use crate::{caught::Witness, session::Served};

/// A connection that is ready to be served, and its permit under the connection limits.
pub(crate) struct Opened {
    pub(crate) connection: Served,
    pub(crate) _permit: Permit,
}

/// Runs the handshake of a stream, then serves the resulting connection.
///
/// The handshake's future is dropped before the connection is served, so that an idle connection
/// does not keep its memory. This is not an async function, because that would keep a copy of the
/// permit and of the handshake's pointer, and each wake-up would touch another cache line.
pub(crate) struct Serving {
    stage: Stage,
    _witness: Witness,
}

enum Stage {
    Handshake(Pin<Box<dyn Future<Output = Option<Opened>> + Send>>),
    Connection(Opened),
    Over,
}

impl Serving {
    pub(crate) fn new(handshake: Pin<Box<dyn Future<Output = Option<Opened>> + Send>>) -> Self {
        Self { stage: Stage::Handshake(handshake), _witness: Witness("a connection") }
    }
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.stage = match &mut self.stage {
                Stage::Connection(opened) => {
                    ready!(opened.connection.as_mut().poll(cx));
                    Stage::Over
                }
                Stage::Handshake(handshake) => match ready!(handshake.as_mut().poll(cx)) {
                    Some(opened) => Stage::Connection(opened),
                    None => Stage::Over,
                },
                Stage::Over => return Poll::Ready(()),
            };
        }
    }
}
