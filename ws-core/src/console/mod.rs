//! The development console: a page that shows the routes, the events, the open connections, the
//! messages and the log of a running application.
//!
//! [`App::console`] starts it with the application, on a listener of its own on a loopback address.
//! `server` accepts and serves HTTP, `access` checks requests, `answers` finds the answer. The
//! others make the data: `model` makes the data that is known at start; `live`, `traffic`, `log`
//! and `cluster` make the data that changes, and `feed` sends it repeatedly. `page/` has the three
//! files of the page.
//!
//! It reads the contract, the hub and the counters. It must not change the application, except by
//! the calls of the hub that its user asks for.

mod access;
mod actions;
mod answers;
mod cluster;
mod feed;
mod live;
mod log;
mod model;
mod server;
mod traffic;

pub use self::log::{LogLayer, log_layer};
use crate::{
    app::{App, Companion, Launching, Prepared, StatsHandle},
    config::{self, Config},
    contract::Contract,
};

impl App {
    /// Starts the development console with the application.
    ///
    /// The console is a web page on a port of its own ([`config::Console`], 127.0.0.1:9500). At
    /// start its address is logged once, with a random token that the page needs; it is also in
    /// [`Running::console_url`](crate::Running::console_url). If the port is taken, a warning is
    /// logged, and the application runs without the console.
    ///
    /// In a build without `debug_assertions` this call has no effect, unless
    /// `console.allow_release` is set. It has no effect under `TestApp` either.
    ///
    /// The page shows the log only if the program adds [`log_layer`] to its subscriber.
    ///
    /// ```no_run
    /// use ws_core::App;
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<(), ws_core::StartError> {
    ///     App::new().console().run().await
    /// }
    /// ```
    pub fn console(self) -> Self {
        self.with_companion(Companion(prepare))
    }
}

/// Reads the contract, unless the console does not start in this build.
fn prepare(app: &App, config: &Config) -> Option<Prepared> {
    let settings = config.console.clone();
    if !may_start(cfg!(debug_assertions), &settings) {
        tracing::info!(
            "the console is off, because this is a release build; `[console] allow_release = true` starts it"
        );
        return None;
    }
    let known = Known { contract: app.contract(), stats: app.stats() };
    Some(Prepared(Box::new(move |launched| Launching(Box::pin(server::start(settings, known, launched))))))
}

/// The parts of the application that are read before it starts.
struct Known {
    contract: Contract,
    stats: StatsHandle,
}

fn may_start(is_debug: bool, settings: &config::Console) -> bool {
    is_debug || settings.allow_release
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_needs_the_explicit_setting() {
        let off = config::Console::default();
        let on = config::Console { allow_release: true, ..off.clone() };
        let started = [(true, &off), (true, &on), (false, &off), (false, &on)]
            .map(|(is_debug, settings)| may_start(is_debug, settings));
        assert_eq!(started, [true, true, false, true]);
    }
}
