//! The servers, each in a module of its own, each written the way its own documentation shows it.
//!
//! All listen on 127.0.0.1 on a port that the system chooses, set TCP_NODELAY, and run on one thread, except those of
//! the worker model. Every limit that would refuse a 1 MiB message is raised, nothing else is tuned: what differs from
//! the defaults is said in the module.

mod actix;
mod axum;
mod coalesced;
mod fastwebsockets;
mod ours;
mod plain;
mod raw;
mod tokio_websockets;

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use anyhow::bail;
use tokio::net::{TcpListener, TcpStream};

/// What a server prints before its address, once it listens.
pub(crate) const ANNOUNCEMENT: &str = "listening on ";

/// The path of every server's one route.
pub(crate) const PATH: &str = "/bench";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// ws-core.
    Ours,
    /// tokio-tungstenite in the loop that everyone writes, `while let Some(message)` and `send`: the baseline.
    Plain,
    /// tokio-tungstenite with its stream forwarded into its sink, as its echo example does it.
    Forward,
    /// tokio-tungstenite as an expert would tune it: small buffer, one flush for all that is ready.
    Coalesced,
    Axum,
    Actix,
    FastWebSockets,
    TokioWebSockets,
    /// TCP without any protocol: what no server can beat by much.
    Raw,
}

/// What a server is to do with what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Every message back to its sender.
    Echo,
    /// The same behind one middleware that adds a header to the response of the handshake.
    EchoBehindMiddleware,
    /// Every message to everyone, its sender included.
    Room,
    /// A JSON event, answered by an event: `#[ws_handlers]`.
    TypedEvent,
    /// The same payload, matched by hand.
    EventByHand,
    /// Echo as a tower service: one multi-thread runtime, one listener.
    SharedRuntime,
    /// Echo as a tower service: a current-thread runtime and a listener (SO_REUSEPORT) for every core.
    RuntimePerCore,
    /// Echo by `App::start` on a multi-thread runtime.
    DefaultRuntime,
}

impl Server {
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

    /// Whether it answers with WebSocket frames, after a handshake.
    pub(crate) fn speaks_websocket(self) -> bool {
        self != Self::Raw
    }

    /// Whether it has a way to do this that its users would take.
    pub(crate) fn can(self, task: Task) -> bool {
        match task {
            Task::Echo => true,
            Task::EchoBehindMiddleware => matches!(self, Self::Ours | Self::Axum | Self::Actix),
            Task::Room => matches!(self, Self::Ours | Self::Plain | Self::Axum),
            Task::TypedEvent
            | Task::EventByHand
            | Task::SharedRuntime
            | Task::RuntimePerCore
            | Task::DefaultRuntime => self == Self::Ours,
        }
    }
}

impl FromStr for Server {
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
    const ALL: [Self; 8] = [
        Self::Echo,
        Self::EchoBehindMiddleware,
        Self::Room,
        Self::TypedEvent,
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
            Self::TypedEvent => "typed-event",
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
pub(crate) fn run(server: Server, task: Task) -> anyhow::Result<()> {
    match (server, task) {
        (Server::Ours, task) => ours::run(task),
        (Server::Plain, Task::Echo) => on_one_thread(plain::echo()),
        (Server::Forward, Task::Echo) => on_one_thread(plain::forward()),
        (Server::Plain, Task::Room) => on_one_thread(plain::room()),
        (Server::Coalesced, Task::Echo) => on_one_thread(coalesced::echo()),
        (Server::Axum, Task::Echo) => on_one_thread(axum::echo()),
        (Server::Axum, Task::EchoBehindMiddleware) => on_one_thread(axum::echo_behind_middleware()),
        (Server::Axum, Task::Room) => on_one_thread(axum::room()),
        (Server::Actix, Task::Echo) => actix::echo(),
        (Server::Actix, Task::EchoBehindMiddleware) => actix::echo_behind_middleware(),
        (Server::FastWebSockets, Task::Echo) => on_one_thread(fastwebsockets::echo()),
        (Server::TokioWebSockets, Task::Echo) => on_one_thread(tokio_websockets::echo()),
        (Server::Raw, Task::Echo) => on_one_thread(raw::echo()),
        (server, task) => bail!("the server `{}` does not do `{}`", server.name(), task.name()),
    }
}

fn on_one_thread(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(server)
}

async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

/// Accepts for ever; every stream is served by a task of its own. How a connection ends is its own affair.
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

/// Tells the parent process that connections are accepted from now on.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{ANNOUNCEMENT}{address}")?;
    Ok(output.flush()?)
}
