//! [`Serving`]: serves one stream, from its first byte until its connection is closed.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::{
    caught::log_panic,
    session::{Next, StreamFuture},
};

/// The stages of a stream: the handshake, then the session of the resulting connection. `None`
/// after the last one.
///
/// A stage is dropped before the next one is polled, so that an idle connection does not keep the
/// memory of its handshake. This is a struct and not an async function, which would keep more: with
/// nothing but one pointer to the stage, tokio's task takes 128 bytes, otherwise 256.
pub(crate) struct Serving(Option<StreamFuture>);

impl Serving {
    pub(crate) fn new(handshake: impl Future<Output = Option<Next>> + Send + 'static) -> Self {
        Self(Some(Box::pin(handshake)))
    }
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(stage) = &mut self.0 {
            self.0 = ready!(stage.as_mut().poll(cx)).map(|Next(stage)| stage);
        }
        Poll::Ready(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        log_panic("a connection");
    }
}
