//! The built-in servers, each in a module, each written as in its own documentation.
//!
//! All listen on 127.0.0.1 on a port that the system chooses, set TCP_NODELAY, and run on one
//! thread, except those of the worker model. Limits that would refuse a message of 1 MiB are
//! raised. Each module documents further differences from the defaults.

mod actix;
mod axum;
mod coalesced;
mod fastwebsockets;
mod ours;
mod plain;
mod raw;
mod socketioxide;
mod tokio_websockets;

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use anyhow::bail;
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::Dialect;

/// Printed by a server before its address, once it listens.
pub(crate) const ANNOUNCEMENT: &str = "listening on ";

/// The path of the one route of every built-in server.
pub(crate) const PATH: &str = "/bench";

/// A server of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// ws-core.
    Ours,
    /// tokio-tungstenite in the usual loop, `while let Some(message)` and `send`: the baseline.
    Plain,
    /// tokio-tungstenite with its stream forwarded into its sink, as in its echo example.
    Forward,
    /// tokio-tungstenite tuned by hand: a small buffer, and one flush for all answers that are
    /// ready.
    Coalesced,
    Axum,
    Actix,
    FastWebSockets,
    TokioWebSockets,
    /// TCP without a protocol: the lower bound.
    Raw,
}

/// The task of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Echoes every message.
    Echo,
    /// Echo behind one middleware that adds a header to the response of the handshake.
    EchoBehindMiddleware,
    /// Sends every message to all connections, including the sender.
    Room,
    /// `Echo` with permessage-deflate, each message compressed by itself, with level 1 if the
    /// server has levels.
    CompressedEcho,
    /// `Room` with the same compression.
    CompressedRoom,
    /// `Echo` with permessage-deflate, where each connection keeps windows of 4 KiB.
    WindowedEcho,
    /// Answers a JSON event by an event: `#[ws_handlers]`.
    TypedEvent,
    /// Typed events with two parameters that are kept with the connection, and `#[on_open]`.
    TypedRoom,
    /// Typed events without attributes: the code compares the event's name.
    EventByHand,
    /// Echo as a tower service: one multi-thread runtime, one listener.
    SharedRuntime,
    /// Echo as a tower service: a current-thread runtime and a listener (SO_REUSEPORT) for every
    /// core.
    RuntimePerCore,
    /// Echo by `App::start` on a multi-thread runtime.
    DefaultRuntime,
}

impl BuiltIn {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ours,
        Self::Plain,
        Self::Forward,
        Self::Coalesced,
        Self::Axum,
        Self::Actix,
        Self::FastWebSockets,
        Self::TokioWebSockets,
        Self::Raw,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Plain => "plain",
            Self::Forward => "forward",
            Self::Coalesced => "coalesced",
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::FastWebSockets => "fastwebsockets",
            Self::TokioWebSockets => "tokio-websockets",
            Self::Raw => "raw",
        }
    }

    /// Whether it has a usual way to do this task.
    pub(crate) fn can(self, task: Task) -> bool {
        match task {
            Task::Echo => true,
            Task::EchoBehindMiddleware => matches!(self, Self::Ours | Self::Axum | Self::Actix),
            Task::Room => matches!(self, Self::Ours | Self::Plain | Self::Axum),
            Task::CompressedEcho
            | Task::CompressedRoom
            | Task::WindowedEcho
            | Task::TypedEvent
            | Task::TypedRoom
            | Task::EventByHand
            | Task::SharedRuntime
            | Task::RuntimePerCore
            | Task::DefaultRuntime => self == Self::Ours,
        }
    }
}

impl FromStr for BuiltIn {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|server| server.name() == name) {
            Some(server) => Ok(server),
            None => {
                bail!("unknown server `{name}`; expected one of {}", Self::ALL.map(Self::name).join(", "))
            }
        }
    }
}

impl Task {
    const ALL: [Self; 12] = [
        Self::Echo,
        Self::EchoBehindMiddleware,
        Self::Room,
        Self::CompressedEcho,
        Self::CompressedRoom,
        Self::WindowedEcho,
        Self::TypedEvent,
        Self::TypedRoom,
        Self::EventByHand,
        Self::SharedRuntime,
        Self::RuntimePerCore,
        Self::DefaultRuntime,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::EchoBehindMiddleware => "echo-behind-middleware",
            Self::Room => "room",
            Self::CompressedEcho => "compressed-echo",
            Self::CompressedRoom => "compressed-room",
            Self::WindowedEcho => "windowed-echo",
            Self::TypedEvent => "typed-event",
            Self::TypedRoom => "typed-room",
            Self::EventByHand => "event-by-hand",
            Self::SharedRuntime => "shared-runtime",
            Self::RuntimePerCore => "runtime-per-core",
            Self::DefaultRuntime => "default-runtime",
        }
    }
}

impl FromStr for Task {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|task| task.name() == name) {
            Some(task) => Ok(task),
            None => bail!("unknown task `{name}`; expected one of {}", Self::ALL.map(Self::name).join(", ")),
        }
    }
}

/// Serves until the process is ended.
pub(crate) fn run(server: BuiltIn, task: Task) -> anyhow::Result<()> {
    match (server, task) {
        (BuiltIn::Ours, task) => ours::run(task),
        (BuiltIn::Plain, Task::Echo) => on_one_thread(plain::echo()),
        (BuiltIn::Forward, Task::Echo) => on_one_thread(plain::forward()),
        (BuiltIn::Plain, Task::Room) => on_one_thread(plain::room()),
        (BuiltIn::Coalesced, Task::Echo) => on_one_thread(coalesced::echo()),
        (BuiltIn::Axum, Task::Echo) => on_one_thread(axum::echo()),
        (BuiltIn::Axum, Task::EchoBehindMiddleware) => on_one_thread(axum::echo_behind_middleware()),
        (BuiltIn::Axum, Task::Room) => on_one_thread(axum::room()),
        (BuiltIn::Actix, Task::Echo) => actix::echo(),
        (BuiltIn::Actix, Task::EchoBehindMiddleware) => actix::echo_behind_middleware(),
        (BuiltIn::FastWebSockets, Task::Echo) => on_one_thread(fastwebsockets::echo()),
        (BuiltIn::TokioWebSockets, Task::Echo) => on_one_thread(tokio_websockets::echo()),
        (BuiltIn::Raw, Task::Echo) => on_one_thread(raw::echo()),
        (server, task) => bail!("the server `{}` does not do `{}`", server.name(), task.name()),
    }
}

/// Runs a node of a cluster until the process is ended.
pub(crate) fn run_node(dialect: Dialect, broker: Option<String>) -> anyhow::Result<()> {
    match dialect {
        Dialect::Ours => on_one_thread(ours::node::run(broker)),
        Dialect::SocketIo => on_one_thread(socketioxide::run(broker)),
    }
}

/// Is the node of `growth` until the process is asked to stop.
pub(crate) fn run_growth_node() -> anyhow::Result<()> {
    on_one_thread(ours::growth::run())
}

/// Measures so many connections over memory, and prints the figures.
pub(crate) fn run_growth_in_memory(connections: usize) -> anyhow::Result<()> {
    on_one_thread(ours::in_memory::run(connections))
}

fn on_one_thread(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(server)
}

async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

/// Accepts without end. Each stream is served by its own task. The result of a connection is
/// ignored.
async fn serve_each<F>(serve: impl Fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let listener = listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

/// Reports the address to the parent process. From now on connections are accepted.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{ANNOUNCEMENT}{address}")?;
    Ok(output.flush()?)
}
