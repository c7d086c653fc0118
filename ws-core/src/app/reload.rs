//! [`Reload`]: reads the certificates again while the application runs, on request and on SIGHUP.

use std::sync::Arc;

use crate::{
    hub::Live,
    server::{Certificates, Lifecycle, Stage, TlsError},
};

/// The certificates of all servers with TLS.
#[derive(Clone, Debug)]
pub(super) struct Reload(Arc<[Arc<Certificates>]>);

impl FromIterator<Arc<Certificates>> for Reload {
    fn from_iter<I: IntoIterator<Item = Arc<Certificates>>>(certificates: I) -> Self {
        Self(certificates.into_iter().collect())
    }
}

impl Reload {
    /// Reads all certificates, even if one fails. Returns the first error.
    pub(super) fn now(&self) -> Result<(), TlsError> {
        self.0.iter().map(|certificates| certificates.reload()).fold(Ok(()), Result::and)
    }

    /// Reads the certificates on each SIGHUP until the application stops. Without certificates the
    /// signal is not caught, so it still ends the process.
    #[cfg(unix)]
    pub(super) fn on_hangup(&self, live: &Live, lifecycle: &Lifecycle) {
        use tokio::signal::unix::{SignalKind, signal};

        if self.0.is_empty() {
            return;
        }
        let (all, lifecycle) = (self.clone(), lifecycle.clone());
        match signal(SignalKind::hangup()) {
            Ok(mut hangups) => {
                live.spawn(async move {
                    while let Some(()) = tokio::select! {
                        hangup = hangups.recv() => hangup,
                        () = lifecycle.reached(Stage::Closing) => None,
                    } {
                        let all = all.clone();
                        // `reload` has logged the errors.
                        let _ = tokio::task::spawn_blocking(move || all.now()).await;
                    }
                });
            }
            Err(error) => {
                tracing::error!(%error, "SIGHUP cannot be caught; certificates are not reloaded by it")
            }
        }
    }

    /// Does nothing: SIGHUP exists only on Unix.
    #[cfg(not(unix))]
    pub(super) fn on_hangup(&self, _: &Live, _: &Lifecycle) {}
}
