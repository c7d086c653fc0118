//! [`Lifecycle`]: the stage of the application, from start to stop.
//!
//! A stage is never left for an earlier one. Code that serves streams reads the stage or waits for
//! it: handshakes are refused from [`Stage::Draining`] on, listeners and idle streams end at
//! [`Stage::Closing`], requests in progress end at [`Stage::Cutting`]. Only `app` advances the
//! stage, and `app` closes the open connections. [`Readiness`] is the public view of it.

use tokio::sync::watch;

/// The stages, in order. Each stage implies the stages before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The start hooks have not finished.
    Starting,
    /// All requests are served.
    Ready,
    /// New handshakes are refused; everything else is still served.
    Draining,
    /// The listeners are closed, and connections are being closed.
    Closing,
    /// Requests in progress are dropped, and the remaining connections are cut.
    Cutting,
}

/// The stage of one application. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle(watch::Sender<Stage>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Starting))
    }
}

impl Lifecycle {
    /// Advances to this stage. Does nothing if the stage was already reached.
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
        // This fails only if all senders are dropped, and `self` is one.
        let _ = self.0.subscribe().wait_for(|now| *now >= stage).await;
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(self.0.subscribe())
    }
}

/// Reports whether the application is ready for new clients. Get it from
/// [`App::readiness`](crate::App::readiness) before the start or from
/// [`Running::readiness`](crate::Running::readiness) after it. It is cheap to clone and can be used
/// on any task.
///
/// The application is ready when all start hooks have finished and the servers accept. When it
/// begins to stop, it is no longer ready, and it never becomes ready again. Expose the state to a
/// load balancer over HTTP: on a server of kind `http`, in a fallback, or around a mounted service:
///
/// ```
/// use axum::{Router, http::StatusCode, routing::get};
/// use ws_core::App;
///
/// let app = App::without_registry();
/// let readiness = app.readiness();
/// let ready = async move || match readiness.is_ready() {
///     true => StatusCode::OK,
///     false => StatusCode::SERVICE_UNAVAILABLE,
/// };
/// let probes = Router::new().route("/readyz", get(ready));
/// let app = app.http("http", probes);
/// ```
#[derive(Clone, Debug)]
pub struct Readiness(watch::Receiver<Stage>);

impl Readiness {
    /// Returns whether the application is ready for new clients now.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow() == Stage::Ready
    }

    /// Returns whether the application has begun to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
    }

    /// Waits until the application is ready, and returns `true`. Returns `false` if it cannot
    /// become ready, because it is stopping or did not start.
    pub async fn ready(&self) -> bool {
        let mut stage = self.0.clone();
        stage.wait_for(|now| *now >= Stage::Ready).await.is_ok_and(|now| *now == Stage::Ready)
    }

    /// Waits until the application begins to stop, for background work that should end with it. It
    /// also returns if the application was dropped or did not start.
    pub async fn stopping(&self) {
        // An error means that the application was dropped.
        let _ = self.0.clone().wait_for(|now| *now >= Stage::Draining).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_only_advances() {
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
    async fn waiters_are_woken_also_if_the_application_never_starts() {
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
