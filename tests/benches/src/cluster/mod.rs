//! The cluster: two or three nodes, each a process of its own, over a broker on this machine.
//!
//! The command starts a `redis-server` or a `nats-server` (`broker`) for each measurement, on a
//! free port and without persistence. `fan_out`, `latency`, `link`, `rooms`, `ask` and `presence`
//! are the loads; they use the parts of the load generator (`load`). `dialect` has the differences
//! of the compared servers, `nodes` starts them, and `report` writes the table.

mod ask;
mod broker;
mod dialect;
mod fan_out;
mod instructions;
mod latency;
mod link;
mod nodes;
mod presence;
mod report;
mod rooms;

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use self::{
    broker::Kind,
    report::{Measured, Row},
};
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
/// The start of the message with which a connection joins many rooms. The numbers of the first room
/// and of the one after the last follow.
pub(crate) const JOIN_MANY: &str = "rooms ";
/// The message that requests the state of the link, the number of subscriptions, and the number of
/// reconnects.
pub(crate) const STATE: &str = "state";
/// The message that identifies a connection as the user of the asks. `JOINED` answers it.
pub(crate) const IDENTIFY: &str = "identify";
/// The start of the message that lets a node ask the user. The number of asks and the number at
/// once follow. The answer has two times and a rate, or starts with `FAILED`.
pub(crate) const ASK: &str = "ask ";
pub(crate) const FAILED: &str = "failed: ";
/// The message that begins a watch of the room. The answer has the number of members and the
/// milliseconds until all nodes had answered.
pub(crate) const WATCH: &str = "watch";
/// The message that requests the number of members that the watch knows.
pub(crate) const MEMBERS: &str = "members";
/// The name of the event of a message, for servers whose messages are events.
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
    Ask,
    Presence,
}

impl Case {
    const ALL: [Self; 6] = [Self::FanOut, Self::Latency, Self::Link, Self::Rooms, Self::Ask, Self::Presence];

    fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Latency => "latency",
            Self::Link => "link",
            Self::Rooms => "rooms",
            Self::Ask => "ask",
            Self::Presence => "presence",
        }
    }

    /// The columns of the report: the servers, and Redis alone.
    fn contestants(self) -> Vec<Contestant> {
        let (ours, nats) = (Contestant::OURS, Contestant::OURS_OVER_NATS);
        match self {
            Self::FanOut | Self::Latency => vec![ours, nats, Contestant::SOCKET_IO],
            Self::Link => vec![ours, nats, Contestant::SOCKET_IO, Contestant::Redis],
            // The other server has one channel for all rooms.
            Self::Rooms => vec![ours, nats],
            // The other server has neither.
            Self::Ask => vec![ours, nats],
            Self::Presence => vec![ours],
        }
    }

    fn run(self, contestant: Contestant, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
        match (self, contestant) {
            (Self::FanOut, Contestant::Server(dialect, kind)) => fan_out::run(dialect, kind, setting),
            (Self::Latency, Contestant::Server(dialect, kind)) => latency::run(dialect, kind, setting),
            (Self::Link, Contestant::Server(dialect, kind)) => link::run(dialect, kind, setting),
            (Self::Link, Contestant::Redis) => link::run_redis(setting),
            (Self::Rooms, Contestant::Server(_, kind)) => rooms::run(kind, setting),
            (Self::Ask, Contestant::Server(_, kind)) => ask::run(kind, setting),
            (Self::Presence, Contestant::Server(..)) => presence::run(setting),
            (_, Contestant::Redis) => bail!("Redis alone has no `{}`", self.name()),
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Server(Dialect, Kind),
    /// `redis-benchmark`, without any node.
    Redis,
}

impl Contestant {
    const OURS: Self = Self::Server(Dialect::Ours, Kind::Redis);
    const OURS_OVER_NATS: Self = Self::Server(Dialect::Ours, Kind::Nats);
    const SOCKET_IO: Self = Self::Server(Dialect::SocketIo, Kind::Redis);

    const ALL: [Self; 4] = [Self::OURS, Self::OURS_OVER_NATS, Self::SOCKET_IO, Self::Redis];

    fn name(self) -> &'static str {
        match self {
            Self::OURS_OVER_NATS => "ours, NATS",
            Self::Server(dialect, _) => dialect.name(),
            Self::Redis => "redis-benchmark",
        }
    }

    fn needs_nats(self) -> bool {
        matches!(self, Self::Server(_, Kind::Nats))
    }
}

/// The conditions of a measurement.
struct Setting<'a> {
    options: &'a Options,
    cores: Cores,
    /// The divisor of numbers of connections and rooms.
    scale: usize,
    /// Whether a NATS server is installed.
    has_nats: bool,
}

/// Measures, shows progress on stderr, and writes the report.
pub(crate) fn measure(options: &Options) -> anyhow::Result<()> {
    ensure!(
        !options.has_servers(),
        "`cluster` has neither `--servers` nor `--peer`; a filter such as `ours` chooses"
    );
    Kind::Redis.check().context("`cluster` needs Redis 6 or later")?;
    let has_nats = Kind::Nats.check();
    if let Err(error) = &has_nats {
        eprintln!("nothing is measured over NATS: {error}");
    }
    let setting = Setting {
        options,
        cores: Cores::choose()?,
        scale: if options.is_quick { 10 } else { 1 },
        has_nats: has_nats.is_ok(),
    };
    machine::raise_file_limit()?;
    let machine = machine::describe();
    let mut measured = Measured::default();
    for case in Case::ALL {
        measure_case(case, &setting, &mut measured);
    }
    ensure!(
        !measured.is_empty(),
        "no case has this name; try `fan-out`, `latency`, `link`, `rooms`, `ask`, `presence` or `ours`"
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
    contestants.retain(|contestant| setting.has_nats || !contestant.needs_nats());
    contestants.retain(|contestant| setting.options.wants_case(&named(*contestant)));
    let rounds = match case {
        Case::Rooms => setting.options.rounds.min(MOST_ROUNDS_OF_ROOMS),
        // The case waits for the timeout of a killed node.
        Case::Presence => 1,
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
        // Each round has another order.
        let next = usize::from(!contestants.is_empty());
        contestants.rotate_left(next);
    }
}
