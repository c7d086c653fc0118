//! The cluster: two nodes, each a process of its own, over a Redis on this machine.
//!
//! The command starts a `redis-server` for each measurement, on a free port and without
//! persistence. `fan_out`, `latency`, `link` and `rooms` are the loads; they use the parts of the
//! load generator (`load`). `dialect` is the difference between the servers that are compared,
//! `nodes` starts them, and `report` writes the table.

mod dialect;
mod fan_out;
mod instructions;
mod latency;
mod link;
mod nodes;
mod redis;
mod report;
mod rooms;

use std::path::Path;

use anyhow::{bail, ensure};

use self::report::{Measured, Row};
pub(crate) use self::{dialect::Dialect, instructions::count};
use crate::{
    machine::{self, Cores},
    options::Options,
    run::write,
};

/// The room of all members.
pub(crate) const LOBBY: &str = "lobby";
/// The message with which a member joins the room, and its answer.
pub(crate) const JOIN: &str = "join";
pub(crate) const JOINED: &str = "joined";
/// The start of the message with which a connection joins many rooms; the numbers of the first room
/// and of the one behind the last follow.
pub(crate) const JOIN_MANY: &str = "rooms ";
/// The message that asks for the state of the link and the number of subscriptions.
pub(crate) const STATE: &str = "state";
/// The name of the event of a message, where messages are events.
pub(crate) const SAY: &str = "say";

/// The file for the report of a complete run.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results-cluster.md");

/// The most rounds of a case that starts many processes and waits.
const MOST_ROUNDS_OF_ROOMS: usize = 3;

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    FanOut,
    Latency,
    Link,
    Rooms,
}

impl Case {
    const ALL: [Self; 4] = [Self::FanOut, Self::Latency, Self::Link, Self::Rooms];

    fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Latency => "latency",
            Self::Link => "link",
            Self::Rooms => "rooms",
        }
    }

    /// The columns of the report: the servers, and Redis alone.
    fn contestants(self) -> Vec<Contestant> {
        let (ours, socketioxide) = (Contestant::Server(Dialect::Ours), Contestant::Server(Dialect::SocketIo));
        match self {
            Self::FanOut | Self::Latency => vec![ours, socketioxide],
            Self::Link => vec![ours, socketioxide, Contestant::Redis],
            // The other server has one channel for all rooms.
            Self::Rooms => vec![ours],
        }
    }

    fn run(self, contestant: Contestant, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
        match (self, contestant) {
            (Self::FanOut, Contestant::Server(dialect)) => fan_out::run(dialect, setting),
            (Self::Latency, Contestant::Server(dialect)) => latency::run(dialect, setting),
            (Self::Link, Contestant::Server(dialect)) => link::run(dialect, setting),
            (Self::Link, Contestant::Redis) => link::run_redis(setting),
            (Self::Rooms, Contestant::Server(_)) => rooms::run(setting),
            (_, Contestant::Redis) => bail!("Redis alone has no `{}`", self.name()),
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Server(Dialect),
    /// `redis-benchmark`, without any node.
    Redis,
}

impl Contestant {
    const ALL: [Self; 3] = [Self::Server(Dialect::Ours), Self::Server(Dialect::SocketIo), Self::Redis];

    fn name(self) -> &'static str {
        match self {
            Self::Server(dialect) => dialect.name(),
            Self::Redis => "redis-benchmark",
        }
    }
}

/// The conditions of a measurement.
struct Setting<'a> {
    options: &'a Options,
    cores: Cores,
    /// The divisor of numbers of connections and rooms.
    scale: usize,
}

/// Measures, shows progress on stderr, and writes the report.
pub(crate) fn measure(options: &Options) -> anyhow::Result<()> {
    ensure!(
        !options.has_servers(),
        "`cluster` has neither `--servers` nor `--peer`; a filter such as `ours` chooses"
    );
    redis::check()?;
    let setting = Setting { options, cores: Cores::choose()?, scale: if options.is_quick { 10 } else { 1 } };
    machine::raise_file_limit()?;
    let machine = machine::describe();
    let mut measured = Measured::default();
    for case in Case::ALL {
        measure_case(case, &setting, &mut measured);
    }
    ensure!(
        !measured.is_empty(),
        "nothing has this name; try `fan-out`, `latency`, `link`, `rooms` or `ours`"
    );
    let report = report::write(&measured, options, &machine);
    print!("{report}");
    match &options.output {
        Some(path) => write(path, &report)?,
        None if options.is_complete() => write(Path::new(RESULTS), &report)?,
        None => {}
    }
    ensure!(!measured.has_failed(), "something failed; the report lists it");
    Ok(())
}

fn measure_case(case: Case, setting: &Setting<'_>, measured: &mut Measured) {
    let named = |contestant: Contestant| format!("{}, {}", case.name(), contestant.name());
    let mut contestants = case.contestants();
    contestants.retain(|contestant| setting.options.wants_case(&named(*contestant)));
    let rounds = match case {
        Case::Rooms => setting.options.rounds.min(MOST_ROUNDS_OF_ROOMS),
        _ => setting.options.rounds,
    };
    for round in 0..rounds {
        for _ in 0..contestants.len() {
            let contestant = contestants[0];
            let name = named(contestant);
            match case.run(contestant, setting) {
                Ok(rows) => {
                    eprintln!("{name} · round {}/{rounds} · {}", round + 1, report::line(&rows));
                    measured.add(contestant, rows);
                }
                Err(error) => {
                    eprintln!("{name} · round {}/{rounds} · failed: {error:#}", round + 1);
                    measured.fail(format!("{name}: {error:#}"));
                }
            }
            contestants.rotate_left(1);
        }
        // Another order in the next round.
        let next = usize::from(!contestants.is_empty());
        contestants.rotate_left(next);
    }
}
