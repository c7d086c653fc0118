//! Certificates that are read again while the application runs: when it is told to, and on SIGHUP.

use std::sync::Arc;

use crate::{
    hub::Live,
    server::{Certificates, Lifecycle, Stage, TlsError},
};

/// The certificates of all servers that have one.
#[derive(Clone, Debug)]
pub(super) struct Reload(Arc<[Arc<Certificates>]>);

impl FromIterator<Arc<Certificates>> for Reload {
    fn from_iter<I: IntoIterator<Item = Arc<Certificates>>>(certificates: I) -> Self {
        Self(certificates.into_iter().collect())
    }
}

impl Reload {
    /// Reads all of them, whatever becomes of the others; the answer is the first error.
    pub(super) fn now(&self) -> Result<(), TlsError> {
        self.0.iter().map(|certificates| certificates.reload()).fold(Ok(()), Result::and)
    }

    /// Reads them on each SIGHUP until the stop. Without any the signal keeps its meaning, which is to end the process.
    #[cfg(unix)]
    pub(super) fn on_hangup(&self, live: &Live, lifecycle: &Lifecycle) {
        use tokio::signal::unix::{SignalKind, signal};

        if self.0.is_empty() {
            return;
        }
        let (all, lifecycle) = (self.clone(), lifecycle.clone());
        match signal(SignalKind::hangup()) {
            Ok(mut hangups) => live.spawn(async move {
                while let Some(()) = tokio::select! {
                    hangup = hangups.recv() => hangup,
                    () = lifecycle.reached(Stage::Closing) => None,
                } {
                    let all = all.clone();
                    // What is faulty was logged.
                    let _ = tokio::task::spawn_blocking(move || all.now()).await;
                }
            }),
            Err(error) => {
                tracing::error!(%error, "SIGHUP cannot be caught; certificates are not reloaded by it")
            }
        }
    }

    /// There is no such signal here.
    #[cfg(not(unix))]
    pub(super) fn on_hangup(&self, _: &Live, _: &Lifecycle) {}
}
