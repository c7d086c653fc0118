//! Certificates that are read again while the application runs: when it is told to, and on SIGHUP.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    hub::Live,
    server::{Certificates, TlsError},
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
    pub(super) fn on_hangup(&self, live: &Live, stop: &CancellationToken) {
        use tokio::signal::unix::{SignalKind, signal};

        if self.0.is_empty() {
            return;
        }
        let (all, stop) = (self.clone(), stop.clone());
        match signal(SignalKind::hangup()) {
            Ok(mut hangups) => live.spawn(async move {
                while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
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
    pub(super) fn on_hangup(&self, _: &Live, _: &CancellationToken) {}
}
