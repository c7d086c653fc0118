//! Growth on one node: does a connection cost as much among 100 000 as among 1000?
//!
//! `sockets` has two processes, the node and this one, and as many connections as one process may
//! have open files. `in_memory` (in `servers::ours`) has one process and no sockets. Each
//! measurement is a new process; the sizes are measured in turns.

mod crowd;
mod member;
mod phases;
mod report;
mod sockets;
mod wire;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    crowd::OPENING,
    member::{ALLOCATED, JOIN, TARGET, TO_ROOM, ask, publish, publish_to_room},
    phases::{Memory, Phases, Reading, members},
    wire::{Client, Tally, Wire},
};
use crate::{
    machine::{self, Cores},
    options::Options,
    run::write,
    stats::three_digits,
};

/// The time between two pings of a connection: short, so that their CPU time can be measured.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(4);

/// Connections opened and used first, so that what a process allocates once is not counted. All
/// that are opened at the same time have buffers for their handshakes.
pub(crate) const WARM_UP: usize = OPENING + 36;

/// The number of broadcasts of one measurement.
pub(crate) const BROADCASTS: Broadcasts = Broadcasts { deliveries: 300_000, least: 5, most: 200 };

/// The members of the room that gets messages of its own among all connections.
const ROOM: usize = 1000;

/// The numbers of connections; the files of one process are enough for the largest over sockets.
const OVER_SOCKETS: [usize; 5] = [1_000, 2_000, 5_000, 10_000, 18_000];
const IN_MEMORY: [usize; 4] = [1_000, 10_000, 50_000, 100_000];

/// The divisor of these numbers in a smoke run.
const QUICK: usize = 5;

/// The most rounds.
const MOST_ROUNDS: usize = 3;

/// The files of a complete run.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results-growth.md");
const CURVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results-growth.svg");

/// As many broadcasts as make this number of deliveries, within bounds.
pub(crate) struct Broadcasts {
    deliveries: usize,
    least: usize,
    most: usize,
}

impl Broadcasts {
    /// The number of broadcasts to so many connections.
    pub(crate) fn clamp_to(&self, connections: usize) -> u32 {
        (self.deliveries / connections).clamp(self.least, self.most) as u32
    }
}

/// The figures of one measurement. Memory is in bytes for each connection, CPU time in µs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) resident: f64,
    /// Only with the feature `heap`.
    pub(crate) allocated: Option<f64>,
    /// The objects of the kernel for both ends of a connection; over sockets only.
    pub(crate) kernel: Option<f64>,
    pub(crate) opened_per_second: f64,
    pub(crate) open_cpu: f64,
    /// The share of one core that heartbeats take.
    pub(crate) idle_share: f64,
    pub(crate) heartbeat_cpu: f64,
    pub(crate) delivery_cpu: f64,
    /// The same for a room of [`ROOM`].
    pub(crate) room_cpu: f64,
    pub(crate) broadcast_seconds: f64,
    /// Messages that did not arrive.
    pub(crate) lost: f64,
    pub(crate) drain_seconds: f64,
    pub(crate) close_cpu: f64,
    /// Connections without a close frame.
    pub(crate) unclosed: f64,
}

/// The way that the bytes of a connection take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Sockets,
    Memory,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Memory => "memory",
        }
    }
}

/// One size and its measurements.
struct Measured {
    transport: Transport,
    connections: usize,
    rounds: Vec<Figures>,
}

/// Measures, shows progress on stderr, and writes the report.
pub(crate) fn measure(options: &Options) -> anyhow::Result<()> {
    let cores = Cores::choose()?;
    machine::raise_file_limit()?;
    let machine = machine::describe();
    let scale = if options.is_quick { QUICK } else { 1 };
    let of = |transport, sizes: &[usize]| -> Vec<Measured> {
        let sizes = sizes.iter().map(|size| size / scale);
        sizes.map(|connections| Measured { transport, connections, rounds: Vec::new() }).collect()
    };
    let mut measured = of(Transport::Sockets, &OVER_SOCKETS);
    measured.extend(of(Transport::Memory, &IN_MEMORY));
    measured.retain(|it| options.wants_case(it.transport.name()));
    if measured.is_empty() {
        bail!("nothing has this name; try `sockets` or `memory`");
    }
    let rounds = options.rounds.min(MOST_ROUNDS);
    for round in 0..rounds {
        for step in 0..measured.len() {
            // Another order in each round.
            let at = (step + round) % measured.len();
            let Measured { transport, connections, rounds: figures } = &mut measured[at];
            let name = format!("{} · {connections} connections", transport.name());
            let found = match transport {
                Transport::Sockets => sockets::run(*connections, cores),
                Transport::Memory => in_memory(*connections, cores),
            };
            let found = found.with_context(|| name.clone())?;
            eprintln!(
                "{name} · round {}/{rounds} · {} B, {} µs",
                round + 1,
                three_digits(found.resident),
                three_digits(found.delivery_cpu)
            );
            figures.push(found);
        }
    }
    let report = report::write_text(&measured, rounds, &machine);
    print!("{report}");
    let is_complete = options.filters.is_empty() && !options.is_quick;
    match &options.output {
        Some(path) => write(path, &report)?,
        None if is_complete => {
            write(Path::new(RESULTS), &report)?;
            write(Path::new(CURVE), &report::curve(&measured))?;
        }
        None => {}
    }
    ensure!(
        measured.iter().flat_map(|it| &it.rounds).all(|it| it.lost == 0.0 && it.unclosed == 0.0),
        "something was lost; the report says where"
    );
    Ok(())
}

/// Starts a process that measures itself.
fn in_memory(connections: usize, cores: Cores) -> anyhow::Result<Figures> {
    let mut command = machine::pinned_to(cores.server);
    command.arg(std::env::current_exe()?).args(["growth-in-memory", &connections.to_string()]);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the process ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}
