//! The cases: the load of each, and the servers that take part.

use crate::{
    load::{Load, connect::Offer},
    options::Options,
    server::Server,
    servers::{BuiltIn, Task},
};

/// Cases that are shown in one table.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// The unit of the figures.
    pub(crate) unit: &'static str,
    /// The contestant that is the reference of ratios.
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
pub(crate) static COMPRESSED_ECHO: Section =
    Section { title: "Compressed echo", unit: "µs of server CPU a message", baseline: "ours" };
pub(crate) static COMPRESSED_FAN_OUT: Section =
    Section { title: "Compressed fan-out", unit: "µs of server CPU a delivery", baseline: "ours" };
pub(crate) static COMPRESSED_IDLE: Section = Section {
    title: "Idle memory with compression",
    unit: "resident bytes a connection",
    baseline: UNCOMPRESSED,
};
pub(crate) static WORKERS: Section = Section {
    title: "Worker model",
    unit: "µs of server CPU a message, nothing pinned",
    baseline: "one runtime",
};

/// One load, and the servers that take part.
pub(crate) struct Case {
    pub(crate) section: &'static Section,
    pub(crate) name: String,
    pub(crate) load: Load,
    pub(crate) contestants: Vec<Contestant>,
    /// Whether server and load generator each have a core of their own.
    pub(crate) is_pinned: bool,
    /// The largest number of rounds.
    pub(crate) most_rounds: usize,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) label: String,
    pub(crate) server: Server,
    pub(crate) task: Task,
}

/// The column of ws-core without compression, beside the compressed ones.
const UNCOMPRESSED: &str = "ours, uncompressed";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Returns the cases that the options choose.
pub(crate) fn chosen(options: &Options) -> Vec<Case> {
    let scale = if options.is_quick { 5 } else { 1 };
    let servers = options.servers(&BuiltIn::ALL);
    let mut cases = echo(&servers, scale);
    cases.extend(handshakes(&servers));
    cases.extend(fan_out(&servers, scale));
    cases.extend(events(&servers));
    cases.extend(idle(&servers, 10_000 / scale));
    cases.extend(compressed(&servers, scale));
    cases.extend(workers(&servers));
    cases.retain(|case| options.wants_case(&case.name) && !case.contestants.is_empty());
    cases
}

fn echo(servers: &[Server], scale: usize) -> Vec<Case> {
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
    let case = |(bytes, in_flight, connections)| {
        let name = format!("echo {}, {in_flight} in flight, {connections} connections", size(bytes));
        case(&ECHO, name, Load::Echo { bytes, in_flight, connections }, each(servers, Task::Echo))
    };
    cases.map(case).into()
}

fn handshakes(servers: &[Server]) -> [Case; 2] {
    let load = Load::Handshakes { at_once: 32 };
    [
        case(&HANDSHAKES, "handshake".into(), load, each_websocket(servers, Task::Echo)),
        case(
            &HANDSHAKES,
            "handshake behind one middleware".into(),
            load,
            each_websocket(servers, Task::EchoBehindMiddleware),
        ),
    ]
}

fn fan_out(servers: &[Server], scale: usize) -> [Case; 4] {
    [(1000, 64), (1000, KIB), (5000, 64), (5000, KIB)].map(|(members, bytes)| {
        let members = members / scale;
        let name = format!("fan-out {} to {members}", size(bytes));
        case(&FAN_OUT, name, Load::FanOut { bytes, members }, each(servers, Task::Room))
    })
}

fn events(servers: &[Server]) -> [Case; 2] {
    [1, 16].map(|in_flight| {
        let name = format!("typed event, {in_flight} in flight, 50 connections");
        let contestants = of_ours(servers, [("typed", Task::TypedEvent), ("by hand", Task::EventByHand)]);
        case(&EVENTS, name, Load::Events { in_flight, connections: 50 }, contestants)
    })
}

fn idle(servers: &[Server], connections: usize) -> [Case; 2] {
    let echo = case(
        &IDLE,
        format!("idle after 64 B, {connections} connections"),
        Load::Idle { connections },
        each_websocket(servers, Task::Echo),
    );
    let typed = case(
        &IDLE,
        format!("idle, typed, after an event, {connections} connections"),
        Load::IdleAfterEvent { connections },
        each_websocket(servers, Task::TypedRoom),
    );
    [echo, typed].map(|case| Case { most_rounds: 3, ..case })
}

fn compressed(servers: &[Server], scale: usize) -> Vec<Case> {
    let echoes = [(1, 50), (16, 50), (1, 500 / scale)].map(|(in_flight, connections)| {
        let name =
            format!("compressed echo, 1 KiB of JSON, {in_flight} in flight, {connections} connections");
        let load = Load::CompressedEcho { in_flight, connections };
        case(&COMPRESSED_ECHO, name, load, beside_uncompressed(servers, Task::CompressedEcho, Task::Echo))
    });
    let members = 1000 / scale;
    let fan_out = case(
        &COMPRESSED_FAN_OUT,
        format!("compressed fan-out, 1 KiB of JSON to {members}"),
        Load::CompressedFanOut { members },
        beside_uncompressed(servers, Task::CompressedRoom, Task::Room),
    );
    let connections = 10_000 / scale;
    let idle = [
        ("per message", Offer::PerMessage, Task::CompressedEcho),
        ("windows of 4 KiB", Offer::Window, Task::WindowedEcho),
    ]
    .map(|(mode, offer, task)| {
        let name = format!("idle after 1 KiB of JSON, {mode}, {connections} connections");
        let load = Load::CompressedIdle { offer, connections };
        let contestants = beside_uncompressed(servers, task, Task::Echo);
        Case { most_rounds: 3, ..case(&COMPRESSED_IDLE, name, load, contestants) }
    });
    echoes.into_iter().chain([fan_out]).chain(idle).collect()
}

/// The servers that compress, and ws-core without compression.
fn beside_uncompressed(servers: &[Server], compressed: Task, uncompressed: Task) -> Vec<Contestant> {
    let mut contestants = each(servers, compressed);
    contestants.extend(of_ours(servers, [(UNCOMPRESSED, uncompressed)]));
    contestants
}

fn workers(servers: &[Server]) -> [Case; 3] {
    [(1, 50), (1, 500), (16, 50)].map(|(in_flight, connections)| {
        let name = format!("workers, 64 B, {in_flight} in flight, {connections} connections");
        let contestants = of_ours(
            servers,
            [
                ("one runtime", Task::SharedRuntime),
                ("runtime per core", Task::RuntimePerCore),
                ("App::start", Task::DefaultRuntime),
            ],
        );
        let load = Load::Echo { bytes: 64, in_flight, connections };
        Case { is_pinned: false, ..case(&WORKERS, name, load, contestants) }
    })
}

fn case(section: &'static Section, name: String, load: Load, contestants: Vec<Contestant>) -> Case {
    Case { section, name, load, contestants, is_pinned: true, most_rounds: usize::MAX }
}

/// The servers that take part in this task, each with its own name.
fn each(servers: &[Server], task: Task) -> Vec<Contestant> {
    let able = servers.iter().filter(|server| server.can(task));
    able.map(|server| Contestant { label: server.name().to_owned(), server: server.clone(), task }).collect()
}

fn each_websocket(servers: &[Server], task: Task) -> Vec<Contestant> {
    let mut contestants = each(servers, task);
    contestants.retain(|contestant| contestant.server.speaks_websocket());
    contestants
}

/// Several tasks of ws-core; empty if it does not take part.
fn of_ours<const N: usize>(servers: &[Server], tasks: [(&str, Task); N]) -> Vec<Contestant> {
    let ours = servers.iter().filter(|server| **server == Server::BuiltIn(BuiltIn::Ours));
    ours.flat_map(|server| {
        tasks.map(|(label, task)| Contestant { label: label.to_owned(), server: server.clone(), task })
    })
    .collect()
}

fn size(bytes: usize) -> String {
    match bytes {
        MIB.. => format!("{} MiB", bytes / MIB),
        KIB.. => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}
