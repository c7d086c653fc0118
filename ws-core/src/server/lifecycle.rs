//! How far the application is, from its start to its end.
//!
//! [`Lifecycle`] is the one place that knows, and it only goes forward. What serves somebody asks it, or waits for it:
//! handshakes are refused from [`Stage::Draining`] on, listeners and idle streams end at [`Stage::Closing`], requests
//! that are still under way at [`Stage::Cutting`]. Moving it on is `app`'s business, and so is what happens to the open
//! connections. [`Readiness`] is what others may see of it.

use tokio::sync::watch;

/// Each implies those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The start hooks have not finished.
    Starting,
    /// Everyone is served.
    Ready,
    /// No new handshakes; all else goes on.
    Draining,
    /// Nobody listens any more, and connections are being closed.
    Closing,
    /// Nothing is waited for any more.
    Cutting,
}

/// The stage of one application, for those who take part in it.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle(watch::Sender<Stage>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Starting))
    }
}

impl Lifecycle {
    /// Moves on to this stage, unless it has been reached already.
    pub(crate) fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let is_further = stage > *now;
            *now = stage.max(*now);
            is_further
        });
    }

    pub(crate) fn has_reached(&self, stage: Stage) -> bool {
        *self.0.borrow() >= stage
    }

    /// Waits for this stage.
    pub(crate) async fn reached(&self, stage: Stage) {
        // The sender that would have to be gone is `self`.
        let _ = self.0.subscribe().wait_for(|now| *now >= stage).await;
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(self.0.subscribe())
    }
}

/// Whether the application should be sent new clients: [`App::readiness`](crate::App::readiness) before the start,
/// [`Running::readiness`](crate::Running::readiness) after it. Cheap to clone, valid anywhere.
///
/// It is ready once all start hooks have finished and the servers accept, and not any more from the moment it begins to
/// stop; it never becomes ready again. A load balancer asks for it over HTTP, on a server of kind `http`, a fallback, or
/// around a mounted service:
///
/// ```
/// use axum::{Router, http::StatusCode, routing::get};
/// use ws_core::App;
///
/// let app = App::without_registry();
/// let readiness = app.readiness();
/// let probes = Router::new().route(
///     "/readyz",
///     get(async move || if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }),
/// );
/// let app = app.http("http", probes);
/// ```
#[derive(Clone, Debug)]
pub struct Readiness(watch::Receiver<Stage>);

impl Readiness {
    /// Whether new clients are welcome now.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == Stage::Ready
    }

    /// Waits until it is ready, which may be at once. False if it never will be: it is stopping, or did not start.
    pub async fn ready(&self) -> bool {
        let mut stage = self.0.clone();
        stage.wait_for(|now| *now >= Stage::Ready).await.is_ok_and(|now| *now == Stage::Ready)
    }

    /// Waits until it stops, from the moment the application is not ready any more: for background work that should end
    /// with it. It also returns when the application was dropped or did not start.
    pub async fn stopping(&self) {
        // An error means that the application is gone.
        let _ = self.0.clone().wait_for(|now| *now >= Stage::Draining).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_goes_forward() {
        let lifecycle = Lifecycle::default();
        let readiness = lifecycle.readiness();
        for (to, is_ready, is_draining) in [
            (Stage::Starting, false, false),
            (Stage::Ready, true, false),
            (Stage::Closing, false, true),
            (Stage::Ready, false, true),
            (Stage::Draining, false, true),
        ] {
            lifecycle.advance(to);
            let seen = (readiness.is_ready(), lifecycle.has_reached(Stage::Draining));
            assert_eq!(seen, (is_ready, is_draining), "{to:?}");
        }
        assert!(lifecycle.has_reached(Stage::Closing));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_it_and_of_an_application_that_never_started() {
        let lifecycle = Lifecycle::default();
        let readiness = lifecycle.readiness();
        let (is_ready, ()) = tokio::join!(readiness.ready(), async { lifecycle.advance(Stage::Ready) });
        assert!(is_ready && readiness.ready().await);
        tokio::join!(readiness.stopping(), async { lifecycle.advance(Stage::Draining) });
        assert!(!readiness.ready().await);

        let readiness = Lifecycle::default().readiness();
        assert!(!readiness.ready().await);
        readiness.stopping().await;
    }
}
