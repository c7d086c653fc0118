//! [`Running`]: binds the listeners of a plan, runs the start hooks, and stops on a signal or on
//! request.
//!
//! Either all listeners are bound and all hooks succeed, or the application does not start. The
//! accept loops run as tasks; `drain` closes the connections.

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    future::pending,
    net::SocketAddr,
    sync::Arc,
};

use tokio::net::TcpListener;

use super::{
    Problem, ShutdownReport, StartError,
    drain::{close_all, drain},
    plan::{Plan, PlannedCluster, PlannedServer},
    reload::Reload,
    signals::Signals,
    start::{Hook, Starting},
    stats::{StatsHandle, Telemetry},
};
use crate::{
    config::{ClusterStart, Drain, ServerConfig},
    hub::{Hub, Live},
    server::{Gate, Lifecycle, PendingStreams, Readiness, Stage, accept},
    state::{Provided, States},
    telemetry::Stats,
};

/// A running application.
///
/// If it is dropped without [`shutdown`](Self::shutdown), the listeners are closed, and all open
/// connections are closed at once, in the background.
///
/// ```
/// use ws_core::{App, StartError};
///
/// async fn serve(app: App) -> Result<(), StartError> {
///     let running = app.start().await?;
///     println!("listening on {:?}", running.local_addr("ws"));
///     println!("{} connections", running.hub().count_local());
///     running.run_until_signal().await;
///     Ok(())
/// }
/// ```
#[must_use = "dropping it stops the application"]
#[derive(Debug)]
pub struct Running {
    addresses: Arc<HashMap<String, SocketAddr>>,
    live: Arc<Live>,
    lifecycle: Lifecycle,
    telemetry: Telemetry,
    drain: Drain,
    reload: Reload,
    #[cfg(feature = "console")]
    console_url: Option<String>,
}

async fn run_hooks(hooks: Vec<Hook>, app: Starting) -> Result<(), StartError> {
    for hook in hooks {
        if let Err((location, message)) = hook.run(app.clone()).await {
            return Err(StartError::one(Problem::OnStart { location, message }));
        }
    }
    Ok(())
}

/// Advances to [`Stage::Ready`] when the broker was reached, unless the application stops before.
fn become_ready(live: &Arc<Live>, lifecycle: &Lifecycle) {
    let (live, lifecycle) = (Arc::clone(live), lifecycle.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = live.cluster_joined() => lifecycle.advance(Stage::Ready),
            () = lifecycle.reached(Stage::Draining) => {}
        }
    });
}

/// Warns about each unused state. The start hooks have run, so the states that they read are known.
fn warn_of_unused(states: &States, used: &HashSet<TypeId>) {
    for Provided { name, location, .. } in states.unused(used) {
        tracing::warn!(
            %location,
            "the state of type `{name}` is not used: put `#[state]` on a field, write `State<T>` in a parameter, or \
             remove `.state(..)`; a use by `Setup::state` in your own parameter is not detected"
        );
    }
}

impl Running {
    /// Binds all listeners, runs the start hooks, then accepts on all listeners. If one step fails,
    /// nothing is served.
    pub(super) async fn start(plan: Plan) -> Result<Self, StartError> {
        let Plan {
            servers,
            hooks,
            states,
            taken,
            live,
            lifecycle,
            telemetry,
            drain,
            cluster,
            #[cfg(feature = "console")]
            companion,
        } = plan;
        let (mut bound, mut problems) = (Vec::new(), Vec::new());
        for server in servers {
            let ServerConfig { name, port, .. } = &server.config;
            let host = server.config.bind_host();
            let gate = Gate::new(&server.config, &lifecycle);
            let listener = TcpListener::bind((host, *port)).await;
            match (gate, listener.and_then(|it| it.local_addr().map(|local| (it, local)))) {
                (Ok(gate), Ok((listener, local))) => bound.push((server, gate, listener, local)),
                (gate, listener) => {
                    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                    let (server, address) = (name.clone(), format!("{open}{host}{close}:{port}"));
                    problems.extend(gate.err().map(Problem::Tls));
                    problems.extend(listener.err().map(|error| Problem::Bind { server, address, error }));
                }
            }
        }
        if !problems.is_empty() {
            return Err(StartError::all(problems));
        }
        let addresses =
            bound.iter().map(|(server, _, _, local)| (server.config.name.clone(), *local)).collect();
        let addresses = Arc::new(addresses);
        let reload = bound.iter().filter_map(|(_, gate, ..)| gate.certificates().cloned()).collect();
        let waits_for_broker = cluster.as_ref().is_some_and(|it| it.config.start == ClusterStart::Wait);
        if let Some(PlannedCluster { config, connector }) = cluster {
            live.join_cluster(config, connector);
        }
        // Until the hooks have finished, connections wait in the listeners' queues.
        let starting = Starting { addresses: Arc::clone(&addresses), states: Arc::clone(&states) };
        if let Err(error) = run_hooks(hooks, starting).await {
            live.leave_cluster_soon();
            return Err(error);
        }
        warn_of_unused(&states, &taken);
        for (PlannedServer { config, kind }, gate, listener, local) in bound {
            tracing::info!(server = config.name, address = %local, "listening");
            let (lifecycle, tasks, gate) = (lifecycle.clone(), Arc::clone(&live), Arc::new(gate));
            let pending = PendingStreams::new(&config);
            live.spawn(async move {
                let serve = |stream, peer, pending| {
                    let gate = Arc::clone(&gate);
                    let arriving = async move { gate.pass(stream, peer, pending).await };
                    tasks.spawn(kind.clone().serve(arriving));
                };
                accept(&config.name, listener, pending, lifecycle, serve).await;
            });
        }
        #[cfg(feature = "metrics")]
        {
            let stats = StatsHandle::new(&telemetry, &live, lifecycle.readiness());
            super::publisher::start(stats, &live, &lifecycle);
        }
        if waits_for_broker {
            become_ready(&live, &lifecycle);
        } else {
            lifecycle.advance(Stage::Ready);
        }
        #[cfg(feature = "console")]
        let console_url = match companion {
            Some(companion) => companion.launch(|server| addresses.get(server).copied()).await,
            None => None,
        };
        Ok(Self {
            addresses,
            live,
            lifecycle,
            telemetry,
            drain,
            reload,
            #[cfg(feature = "console")]
            console_url,
        })
    }

    /// Returns the address of the development console, with the token that it requires:
    /// `http://127.0.0.1:9500/#token=..`. `None` if it does not run; see
    /// [`App::console`](crate::App::console).
    #[cfg(feature = "console")]
    #[cfg_attr(docsrs, doc(cfg(feature = "console")))]
    pub fn console_url(&self) -> Option<&str> {
        self.console_url.as_deref()
    }

    /// Returns the address that this server listens on; `None` if the server is not bound.
    pub fn local_addr(&self, server: &str) -> Option<SocketAddr> {
        self.addresses.get(server).copied()
    }

    /// Returns the hub of all connections.
    pub fn hub(&self) -> Hub {
        Hub::new(&self.live)
    }

    /// Returns the events that were emitted and not declared.
    #[cfg(feature = "testing")]
    pub(crate) fn undeclared(&self) -> Vec<crate::hub::UndeclaredEvent> {
        self.live.undeclared().all()
    }

    /// Returns a handle that reports whether the application is ready for new clients. It is ready
    /// from now until it begins to stop.
    pub fn readiness(&self) -> Readiness {
        self.lifecycle.readiness()
    }

    /// Returns the counters since the start.
    pub fn stats(&self) -> Stats {
        StatsHandle::new(&self.telemetry, &self.live, self.readiness()).read()
    }

    /// Reads the certificates and keys of all servers again. Later TLS handshakes use them; open
    /// connections are not affected. [`App::run`] and [`run_until_signal`](Self::run_until_signal)
    /// call it on SIGHUP.
    ///
    /// The files are read on the calling thread, which is blocked while they are read.
    ///
    /// # Errors
    /// The first file that cannot be used. Its server keeps its certificate; all other servers are
    /// reloaded.
    ///
    /// [`App::run`]: crate::app::App::run
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn reload_tls(&self) -> Result<(), crate::server::TlsError> {
        self.reload.now()
    }

    /// Waits for SIGINT or SIGTERM (on systems other than Unix: for Ctrl-C), then
    /// [shuts down](Self::shutdown). On a second signal, all connections are cut, and this method
    /// returns after at most 2 s, even if an `on_close` is still running.
    ///
    /// Signals are caught from the first poll on. An earlier signal ends the process at once.
    /// [`App::run`] catches signals before it binds a listener.
    ///
    /// A callback that blocks its thread, in a loop or in a blocking call without an await, cannot
    /// be cut. When the runtime is dropped, it waits for such a callback;
    /// `Runtime::shutdown_timeout` of tokio does not wait.
    ///
    /// [`App::run`]: crate::app::App::run
    pub async fn run_until_signal(self) -> ShutdownReport {
        self.run_until(Signals::catch()).await
    }

    pub(super) async fn run_until(self, signals: std::io::Result<Signals>) -> ShutdownReport {
        self.reload.on_hangup(&self.live, &self.lifecycle);
        let mut signals = match signals {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "signals cannot be caught; stopping");
                return self.shutdown().await;
            }
        };
        let signal = signals.recv().await;
        tracing::info!(signal, "stopping; a second signal stops at once");
        let second = async {
            let signal = signals.recv().await;
            tracing::warn!(signal, "stopping at once");
        };
        drain(&self.live, &self.lifecycle, &self.drain, second).await
    }

    /// Stops the application. [`config::Drain`](crate::config::Drain) has the settings.
    ///
    /// First the application is no longer ready, and new handshakes are refused with 503. After
    /// `drain.grace` the listeners are closed, and the connections are closed with 1001, in
    /// batches; the messages in their outboxes are sent first. Connections that are still open
    /// `drain.timeout` later are cut; their `on_close` runs under the close deadline.
    ///
    /// If the future is dropped, the application is dropped: all remaining connections are closed
    /// at once.
    pub async fn shutdown(self) -> ShutdownReport {
        drain(&self.live, &self.lifecycle, &self.drain, pending()).await
    }

    #[cfg(feature = "testing")]
    pub(crate) async fn cluster_joined(&self) {
        self.live.cluster_joined().await;
    }

    #[cfg(feature = "testing")]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.live.spawn(task);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifecycle.advance(Stage::Closing);
        close_all(&self.live);
        self.live.leave_cluster_soon();
    }
}
