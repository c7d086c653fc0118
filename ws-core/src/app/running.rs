//! A running application: where it listens, and how it stops.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    Problem, StartError,
    plan::{Plan, PlannedServer},
    reload::Reload,
    start::{Hook, Starting},
};
use crate::{
    config::{Drain, ServerConfig},
    connection::Stop,
    hub::{Hub, Live},
    server::{Gate, accept},
};

/// After the drain deadline cut the connections, this is what their `on_close` callbacks have at the most.
const CUT_TIMEOUT: Duration = Duration::from_secs(10);

/// A running application. Dropping it without [`shutdown`](Self::shutdown) stops accepting and closes the open
/// connections in the background.
#[must_use = "dropping it stops the application"]
#[derive(Debug)]
pub struct Running {
    addresses: Arc<HashMap<String, SocketAddr>>,
    live: Arc<Live>,
    stop: CancellationToken,
    drain: Drain,
    reload: Reload,
}

async fn run_hooks(hooks: Vec<Hook>, app: Starting) -> Result<(), StartError> {
    for hook in hooks {
        if let Err((location, message)) = hook.run(app.clone()).await {
            return Err(StartError::one(Problem::OnStart { location, message }));
        }
    }
    Ok(())
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that were open when it began and ended by themselves within the drain deadline.
    pub closed: usize,
    /// Connections that were cut because they were still there after it.
    pub cut: usize,
}

impl Running {
    /// Binds all listeners, runs the start hooks, then accepts on all of them: either everything runs, or nothing does.
    pub(super) async fn start(plan: Plan) -> Result<Self, StartError> {
        let Plan { servers, hooks, states, live, stop, drain } = plan;
        let (mut bound, mut problems) = (Vec::new(), Vec::new());
        for server in servers {
            let ServerConfig { name, host, port, .. } = &server.config;
            let gate = Gate::new(&server.config);
            let listener = TcpListener::bind((host.as_str(), *port)).await;
            match (gate, listener.and_then(|it| it.local_addr().map(|local| (it, local)))) {
                (Ok(gate), Ok((listener, local))) => bound.push((server, gate, listener, local)),
                (gate, listener) => {
                    let (server, address) = (name.clone(), format!("{host}:{port}"));
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
        // Until the hooks have finished, connections wait in the listeners' queues.
        run_hooks(hooks, Starting { addresses: Arc::clone(&addresses), states }).await?;
        for (PlannedServer { config, kind }, gate, listener, local) in bound {
            tracing::info!(server = config.name, address = %local, "listening");
            let (stop, tasks, gate) = (stop.clone(), Arc::clone(&live), Arc::new(gate));
            let pending = config.limits.pending_handshakes.min(Semaphore::MAX_PERMITS);
            live.spawn(async move {
                let serve = |stream, peer, pending| {
                    let gate = Arc::clone(&gate);
                    let arriving = async move { gate.pass(stream, peer, pending).await };
                    tasks.spawn(kind.clone().serve(arriving));
                };
                accept(&config.name, listener, Arc::new(Semaphore::new(pending)), stop, serve).await;
            });
        }
        Ok(Self { addresses, live, stop, drain, reload })
    }

    /// Where this server listens; `None` for a server that is not configured.
    pub fn local_addr(&self, server: &str) -> Option<SocketAddr> {
        self.addresses.get(server).copied()
    }

    /// Everyone who is connected.
    pub fn hub(&self) -> Hub {
        Hub::new(&self.live)
    }

    /// Reads the certificates and keys of all servers again, for the TLS handshakes from now on; open connections go on
    /// with theirs. [`App::run`] and [`run_until_signal`](Self::run_until_signal) do it on SIGHUP.
    ///
    /// The files are read on this thread, which blocks it for as long as that takes.
    ///
    /// # Errors
    /// The first file that cannot be used. Its server keeps what it has, and all others are reloaded.
    ///
    /// [`App::run`]: crate::App::run
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn reload_tls(&self) -> Result<(), crate::TlsError> {
        self.reload.now()
    }

    /// Waits for SIGINT or SIGTERM (elsewhere than on Unix: for Ctrl-C), then shuts down.
    ///
    /// Signals are caught from the first poll on; one that comes earlier ends the process at once. [`App::run`] catches
    /// them before anything is bound.
    ///
    /// [`App::run`]: crate::App::run
    pub async fn run_until_signal(self) -> ShutdownReport {
        self.run_until(Signals::catch()).await
    }

    pub(super) async fn run_until(self, signals: std::io::Result<Signals>) -> ShutdownReport {
        self.reload.on_hangup(&self.live, &self.stop);
        match signals {
            Ok(signals) => {
                let signal = signals.recv().await;
                tracing::info!(signal, "stopping");
            }
            Err(error) => tracing::error!(%error, "signals cannot be caught; stopping"),
        }
        self.shutdown().await
    }

    /// Stops: no new connections, 1001 to all that are open, then waits for their end up to `drain.timeout`. What is
    /// still there is cut; its `on_close` runs under the close deadline.
    pub async fn shutdown(self) -> ShutdownReport {
        self.stop.cancel();
        let open = self.live.len();
        close_all(&self.live);
        if tokio::time::timeout(self.drain.timeout, self.live.wait()).await.is_ok() {
            tracing::info!(closed = open, cut = 0, "stopped");
            return ShutdownReport { closed: open, cut: 0 };
        }
        let left = self.live.all();
        for connection in &left {
            tracing::warn!(id = %connection.id(), route = connection.route(), peer = ?connection.peer_addr(), "cut");
            let _ = connection.outbox().stop(Stop::Cut);
        }
        if tokio::time::timeout(CUT_TIMEOUT, self.live.wait()).await.is_err() {
            tracing::error!(connections = self.live.len(), "some tasks did not end; leaving them");
        }
        let report = ShutdownReport { closed: open.saturating_sub(left.len()), cut: left.len() };
        tracing::warn!(closed = report.closed, cut = report.cut, "stopped");
        report
    }

    #[cfg(feature = "testing")]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.live.spawn(task);
    }
}

/// Connections that open after the stop close themselves: they are among the living first and look at the stop then.
fn close_all(live: &Live) {
    for connection in live.all() {
        connection.outbox().shut_down();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        close_all(&self.live);
    }
}

/// The signals that stop the process, caught from the moment this exists.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn recv(mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn recv(self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "ctrl-c",
            Err(_) => std::future::pending().await,
        }
    }
}
