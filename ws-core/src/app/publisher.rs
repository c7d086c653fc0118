//! Publishes the counters every 5 s through the facade `metrics`, until the last connection is
//! gone.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::StatsHandle;
use crate::{
    hub::Live,
    server::{Lifecycle, Stage},
    telemetry::{describe, publish},
};

const INTERVAL: Duration = Duration::from_secs(5);

/// Starts the publisher.
pub(super) fn start(stats: StatsHandle, live: &Arc<Live>, lifecycle: &Lifecycle) {
    describe();
    let (live, lifecycle) = (Arc::clone(live), lifecycle.clone());
    // Not a task that the shutdown waits for: it reports the shutdown.
    tokio::spawn(async move {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = lifecycle.reached(Stage::Cutting) => return publish(&stats.read()),
            }
            publish(&stats.read());
            #[cfg(feature = "prometheus")]
            super::ops::upkeep();
            if live.len() == 0 && lifecycle.has_reached(Stage::Closing) {
                return;
            }
        }
    });
}
