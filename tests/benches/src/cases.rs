//! What is measured: every case, its load, and who takes part.

use crate::{
    load::Load,
    options::Options,
    servers::{Server, Task},
};

/// Cases that are shown in one table.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// What a figure is.
    pub(crate) unit: &'static str,
    /// The contestant that ratios refer to.
    pub(crate) baseline: &'static str,
}

pub(crate) static ECHO: Section =
    Section { title: "Echo", unit: "µs of server CPU a message", baseline: "plain" };
pub(crate) static HANDSHAKES: Section = Section {
    title: "Handshakes",
    unit: "µs of server CPU a connection, opened and closed",
    baseline: "plain",
};
pub(crate) static FAN_OUT: Section =
    Section { title: "Fan-out", unit: "µs of server CPU a delivery", baseline: "plain" };
pub(crate) static EVENTS: Section =
    Section { title: "Typed events", unit: "µs of server CPU an event and its answer", baseline: "by hand" };
pub(crate) static IDLE: Section =
    Section { title: "Idle memory", unit: "resident bytes a connection", baseline: "plain" };
pub(crate) static WORKERS: Section = Section {
    title: "Worker model",
    unit: "µs of server CPU a message, nothing pinned",
    baseline: "one runtime",
};

/// One load and all who bear it.
pub(crate) struct Case {
    pub(crate) section: &'static Section,
    pub(crate) name: String,
    pub(crate) load: Load,
    pub(crate) contestants: Vec<Contestant>,
    /// Whether server and load generator each have a core of their own.
    pub(crate) is_pinned: bool,
    /// How often everyone is measured at the most.
    pub(crate) most_rounds: usize,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    pub(crate) label: &'static str,
    pub(crate) server: Server,
    pub(crate) task: Task,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// All cases that the options ask for.
pub(crate) fn chosen(options: &Options) -> Vec<Case> {
    let scale = if options.is_quick { 5 } else { 1 };
    let mut cases = echo(scale);
    cases.extend(handshakes());
    cases.extend(fan_out(scale));
    cases.extend(events());
    cases.push(idle(10_000 / scale));
    cases.extend(workers());
    for case in &mut cases {
        case.contestants.retain(|contestant| {
            options.wants_server(contestant.server) && contestant.server.can(contestant.task)
        });
    }
    cases.retain(|case| options.wants_case(&case.name) && !case.contestants.is_empty());
    cases
}

fn echo(scale: usize) -> Vec<Case> {
    let cases = [
        (64, 1, 50),
        (64, 1, 500 / scale),
        (64, 16, 50),
        (64, 16, 500 / scale),
        (64, 64, 50),
        (64, 64, 500 / scale),
        (4 * KIB, 1, 50),
        (4 * KIB, 1, 500 / scale),
        (4 * KIB, 16, 50),
        (4 * KIB, 64, 50),
        (64 * KIB, 1, 50),
        (64 * KIB, 1, 500 / scale),
        (64 * KIB, 16, 10),
        (MIB, 1, 8),
        (MIB, 1, 50),
    ];
    cases.map(|(bytes, in_flight, connections)| echo_case(bytes, in_flight, connections)).into()
}

fn echo_case(bytes: usize, in_flight: usize, connections: usize) -> Case {
    let name = format!("echo {}, {in_flight} in flight, {connections} connections", size(bytes));
    case(&ECHO, name, Load::Echo { bytes, in_flight, connections }, each(Task::Echo))
}

fn handshakes() -> [Case; 2] {
    let load = Load::Handshakes { at_once: 32 };
    [
        case(&HANDSHAKES, "handshake".into(), load, each_websocket(Task::Echo)),
        case(
            &HANDSHAKES,
            "handshake behind one middleware".into(),
            load,
            each_websocket(Task::EchoBehindMiddleware),
        ),
    ]
}

fn fan_out(scale: usize) -> [Case; 4] {
    [(1000, 64), (1000, KIB), (5000, 64), (5000, KIB)].map(|(members, bytes)| {
        let members = members / scale;
        let name = format!("fan-out {} to {members}", size(bytes));
        case(&FAN_OUT, name, Load::FanOut { bytes, members }, each(Task::Room))
    })
}

fn events() -> [Case; 2] {
    [1, 16].map(|in_flight| {
        let name = format!("typed event, {in_flight} in flight, 50 connections");
        let contestants = vec![
            Contestant { label: "typed", server: Server::Ours, task: Task::TypedEvent },
            Contestant { label: "by hand", server: Server::Ours, task: Task::EventByHand },
        ];
        case(&EVENTS, name, Load::Events { in_flight, connections: 50 }, contestants)
    })
}

fn idle(connections: usize) -> Case {
    let name = format!("idle after 64 B, {connections} connections");
    let case = case(&IDLE, name, Load::Idle { connections }, each_websocket(Task::Echo));
    Case { most_rounds: 3, ..case }
}

fn workers() -> [Case; 3] {
    [(1, 50), (1, 500), (16, 50)].map(|(in_flight, connections)| {
        let name = format!("workers, 64 B, {in_flight} in flight, {connections} connections");
        let contestants = vec![
            Contestant { label: "one runtime", server: Server::Ours, task: Task::SharedRuntime },
            Contestant { label: "runtime per core", server: Server::Ours, task: Task::RuntimePerCore },
            Contestant { label: "App::start", server: Server::Ours, task: Task::DefaultRuntime },
        ];
        let load = Load::Echo { bytes: 64, in_flight, connections };
        Case { is_pinned: false, ..case(&WORKERS, name, load, contestants) }
    })
}

fn case(section: &'static Section, name: String, load: Load, contestants: Vec<Contestant>) -> Case {
    Case { section, name, load, contestants, is_pinned: true, most_rounds: usize::MAX }
}

fn each(task: Task) -> Vec<Contestant> {
    Server::ALL.map(|server| Contestant { label: server.name(), server, task }).into()
}

fn each_websocket(task: Task) -> Vec<Contestant> {
    let mut contestants = each(task);
    contestants.retain(|contestant| contestant.server.speaks_websocket());
    contestants
}

fn size(bytes: usize) -> String {
    match bytes {
        MIB.. => format!("{} MiB", bytes / MIB),
        KIB.. => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}
