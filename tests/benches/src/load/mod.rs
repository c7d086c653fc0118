//! The load generator: one thread, epoll and prepared frames, so that the server is the measured
//! part.
//!
//! Every received byte is compared with the expected one. The [`Pace`] shows if the generator was
//! busier than the server. The server's CPU time per item is correct in that case, too.

mod compressed;
pub(crate) mod connect;
pub(crate) mod echo;
mod fan_out;
pub(crate) mod frames;
mod handshake;
pub(crate) mod idle;
pub(crate) mod lane;
pub(crate) mod stopwatch;

use std::time::Duration;

use self::{connect::Offer, frames::Exchange, stopwatch::Stopwatch};
use crate::process::ServerProcess;

/// The bytes of the message that a connection exchanges before it is idle.
const IDLE_BYTES: usize = 64;

/// The traffic of the clients.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Every connection keeps this number of binary messages in flight; each is echoed.
    Echo { bytes: usize, in_flight: usize, connections: usize },
    /// The same with JSON events, which are answered by events.
    Events { in_flight: usize, connections: usize },
    /// Connections are opened, closed by a close frame and opened again, this number at a time.
    Handshakes { at_once: usize },
    /// One member sends, all receive. The next message is sent when the last one has reached all
    /// members.
    FanOut { bytes: usize, members: usize },
    /// Connections that had 64 B echoed once and are idle since.
    Idle { connections: usize },
    /// The same with one JSON event and its answer.
    IdleAfterEvent { connections: usize },
    /// `Echo` with 1 KiB of JSON. The client offers compression, and compresses if the server
    /// accepts it.
    CompressedEcho { in_flight: usize, connections: usize },
    /// `FanOut` with these messages.
    CompressedFanOut { members: usize },
    /// `Idle` after one of these messages, with this offer.
    CompressedIdle { offer: Offer, connections: usize },
}

/// The end of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    /// A time without measurement, then the measured time.
    Time { warm_up: Duration, measured: Duration },
    /// Until this number of items is complete.
    Items(u64),
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Microseconds of server CPU per item, or bytes per idle connection.
    pub(crate) value: f64,
    /// `None` for idle connections.
    pub(crate) pace: Option<Pace>,
}

/// The rate, and the load of server and generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Items a second.
    pub(crate) per_second: f64,
    /// CPU time divided by elapsed time; 1.0 is one core.
    pub(crate) server_share: f64,
    /// The same of the load generator.
    pub(crate) generator_share: f64,
}

impl Load {
    /// Runs the load on a fresh server.
    pub(crate) fn run(self, process: &ServerProcess, span: Span) -> anyhow::Result<Sample> {
        let stopwatch = Stopwatch::new(process, span)?;
        let server = process.endpoint();
        let is_websocket = server.path.is_some();
        match self {
            Self::Echo { bytes, in_flight, connections } => {
                let exchange = Exchange::echo(is_websocket, bytes, in_flight)?;
                echo::run(server, &exchange, in_flight, connections, stopwatch)
            }
            Self::Events { in_flight, connections } => {
                let exchange = Exchange::events(server, in_flight)?;
                echo::run(server, &exchange, in_flight, connections, stopwatch)
            }
            Self::Handshakes { at_once } => handshake::run(server, at_once, stopwatch),
            Self::FanOut { bytes, members } => {
                fan_out::run(server, &Exchange::echo(true, bytes, 1)?, members, stopwatch)
            }
            Self::Idle { connections } => {
                idle::run(process, &Exchange::echo(is_websocket, IDLE_BYTES, 1)?, connections)
            }
            Self::IdleAfterEvent { connections } => {
                idle::run(process, &Exchange::events(server, 1)?, connections)
            }
            Self::CompressedEcho { in_flight, connections } => {
                let exchange = compressed::exchange(server, Offer::PerMessage, in_flight)?;
                echo::run(server, &exchange, in_flight, connections, stopwatch)
            }
            Self::CompressedFanOut { members } => {
                let exchange = compressed::exchange(server, Offer::PerMessage, 1)?;
                fan_out::run(server, &exchange, members, stopwatch)
            }
            Self::CompressedIdle { offer, connections } => {
                idle::run(process, &compressed::exchange(server, offer, 1)?, connections)
            }
        }
    }
}
