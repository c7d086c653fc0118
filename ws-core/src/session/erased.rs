//! [`ErasedController`]: a controller without its type, so that routes with different controllers
//! share one pipeline.
//!
//! The erasure costs one virtual call for each connection. A message must not cost another, so
//! [`serve`](super::serve) is generic over the controller.

use std::sync::Arc;

use super::{Life, StreamFuture};
use crate::{
    controller::Controller,
    error::Result,
    request::{HandlerInfo, Kept, Needs, Setup},
    socket::Transport,
};

/// A controller without its type. The handshake pipeline and the server use it.
pub(crate) trait ErasedController: Send + Sync {
    fn needs(&self) -> Needs;

    fn is_typed(&self) -> bool;

    fn handlers(&self) -> &'static [HandlerInfo];

    fn keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>>;

    /// Serves a connection until its socket is dropped.
    fn serve(self: Arc<Self>, transport: Transport, life: Life) -> StreamFuture;
}

impl<C: Controller> ErasedController for C {
    fn needs(&self) -> Needs {
        C::__typed().map(|typed| (typed.needs)()).unwrap_or_default()
    }

    fn is_typed(&self) -> bool {
        C::__typed().is_some()
    }

    fn handlers(&self) -> &'static [HandlerInfo] {
        C::__typed().map_or(&[], |typed| typed.handlers)
    }

    fn keep(&self, setup: &Setup<'_>) -> Result<Option<Kept>> {
        C::__typed().map_or(Ok(None), |typed| (typed.keep)(setup))
    }

    fn serve(self: Arc<Self>, transport: Transport, life: Life) -> StreamFuture {
        Box::pin(super::serve(self, transport, life))
    }
}

/// An erased controller. Generated code creates one with [`erase`].
pub struct Erased {
    pub(crate) controller: Arc<dyn ErasedController>,
}

/// Erases a controller.
pub fn erase<C: Controller>(controller: C) -> Erased {
    Erased { controller: Arc::new(controller) }
}
