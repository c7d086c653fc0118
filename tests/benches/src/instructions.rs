//! The instructions of one echoed message, plain and compressed, of one event by attributes and by hand, of one delivery
//! to a room, and of one message between two nodes, counted by valgrind's callgrind.
//!
//! A server runs twice under callgrind, with two numbers of messages. The difference is the cost of
//! messages, without start, handshake and end. Instructions of the kernel are not counted.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    cluster,
    load::{Load, Span},
    machine,
    options::Options,
    process::ServerProcess,
    server::Server,
    servers::{BuiltIn, Task},
};

/// The numbers of messages of the two runs.
pub(crate) const FEW: u64 = 2_000;
pub(crate) const MANY: u64 = 12_000;

/// The numbers of messages in flight, one column each.
const IN_FLIGHT: [usize; 3] = [1, 16, 64];

/// The size of the room.
const MEMBERS: usize = 100;

/// The number of functions in a profile.
const FUNCTIONS: usize = 25;

/// valgrind counts every repetition of one `rep stos` or `rep movs` as an instruction. With these
/// settings glibc copies and fills with vector instructions, which are counted once each.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_stosb_threshold=1073741824:glibc.cpu.x86_rep_movsb_threshold=1073741824";

/// The counts of one server and task, in the order of `IN_FLIGHT`.
struct Row {
    server: String,
    task: Task,
    counts: [u64; IN_FLIGHT.len()],
}

/// Counts for each server, prints the functions with the most instructions, and ends with a table
/// of all counts.
pub(crate) fn count(options: &Options) -> anyhow::Result<()> {
    machine::raise_file_limit()?;
    let mut rows = Vec::new();
    for server in options.servers(&[BuiltIn::Ours]) {
        for task in [Task::Echo, Task::CompressedEcho, Task::TypedEvent, Task::EventByHand] {
            if server.can(task) {
                rows.push(count_task(&server, task)?);
            }
        }
        if server.can(Task::Room) {
            let load = Load::FanOut { bytes: 64, members: MEMBERS };
            show(&server, Task::Room, load, "delivery")?;
        }
        if server == Server::BuiltIn(BuiltIn::Ours) {
            cluster::count()?;
        }
    }
    print!("{}", table(&rows));
    Ok(())
}

fn count_task(server: &Server, task: Task) -> anyhow::Result<Row> {
    let mut counts = [0; IN_FLIGHT.len()];
    for (count, in_flight) in counts.iter_mut().zip(IN_FLIGHT) {
        let load = match task {
            Task::Echo => Load::Echo { bytes: 64, in_flight, connections: 1 },
            Task::CompressedEcho => Load::CompressedEcho { in_flight, connections: 1 },
            _ => Load::Events { in_flight, connections: 1 },
        };
        *count = show(server, task, load, &format!("message, {in_flight} in flight"))?;
    }
    Ok(Row { server: server.name().to_owned(), task, counts })
}

/// Prints the profile of one item of a load, such as a message; returns its instructions.
fn show(server: &Server, task: Task, load: Load, item: &str) -> anyhow::Result<u64> {
    let name = format!("{}.{}.{}", server.name(), task.name(), item.replace([',', ' '], "-"));
    let few = run(server, task, load, FEW, &name)?;
    let many = run(server, task, load, MANY, &name)?;
    print(&format!("{}, {}", server.name(), task.name()), item, &few, &many)
}

/// Prints the profile of one item; returns its instructions. The runs had `FEW` and `MANY` items.
pub(crate) fn print(title: &str, item: &str, few: &Counted, many: &Counted) -> anyhow::Result<u64> {
    let per_item = (many.instructions - few.instructions) / (MANY - FEW);
    println!("\n## {title}: {per_item} instructions per {item}\n");
    println!("| instructions | function |\n|---:|---|");
    for (function, instructions) in dearest(&many.profile)? {
        println!("| {} | `{function}` |", instructions / MANY);
    }
    Ok(per_item)
}

fn table(rows: &[Row]) -> String {
    let columns = IN_FLIGHT.map(|in_flight| format!("{in_flight} in flight")).join(" | ");
    let mut text = format!(
        "\n## Instructions per message\n\n| server | task | {columns} |\n|---|---|{}\n",
        "---:|".repeat(IN_FLIGHT.len())
    );
    for Row { server, task, counts } in rows {
        let counts = counts.map(|count| count.to_string()).join(" | ");
        text += &format!("| {server} | {} | {counts} |\n", task.name());
    }
    text
}

/// One run under callgrind.
pub(crate) struct Counted {
    pub(crate) instructions: u64,
    profile: PathBuf,
}

fn run(server: &Server, task: Task, load: Load, messages: u64, name: &str) -> anyhow::Result<Counted> {
    let profiler = Profiler::new(&format!("{name}.{messages}"));
    let process =
        ServerProcess::start(server, task, Some(profiler.command())).context("is valgrind installed?")?;
    load.run(&process, Span::Items(messages))?;
    profiler.finish(process)
}

/// valgrind around one process.
pub(crate) struct Profiler {
    profile: PathBuf,
}

impl Profiler {
    pub(crate) fn new(name: &str) -> Self {
        Self { profile: Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("callgrind.out.{name}")) }
    }

    /// The command that runs the command in its last arguments.
    pub(crate) fn command(&self) -> Command {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--quiet"]).env("GLIBC_TUNABLES", TUNABLES);
        valgrind.arg(format!("--callgrind-out-file={}", self.profile.display()));
        valgrind
    }

    /// Ends the process and reads its profile.
    pub(crate) fn finish(self, process: ServerProcess) -> anyhow::Result<Counted> {
        process.terminate()?;
        let text = fs::read_to_string(&self.profile).context("callgrind left no profile")?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("totals: ")).context("no line `totals:`")?;
        Ok(Counted { instructions: line.trim().parse()?, profile: self.profile })
    }
}

/// The functions with the most instructions of their own, in descending order.
fn dearest(profile: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let output =
        Command::new("callgrind_annotate").args(["--threshold=100", "--auto=no"]).arg(profile).output()?;
    ensure!(output.status.success(), "callgrind_annotate failed");
    let mut functions: HashMap<String, u64> = HashMap::new();
    for (function, instructions) in String::from_utf8_lossy(&output.stdout).lines().filter_map(parse) {
        *functions.entry(function.to_owned()).or_default() += instructions;
    }
    let mut functions: Vec<(String, u64)> = functions.into_iter().collect();
    functions.sort_by_key(|(_, instructions)| std::cmp::Reverse(*instructions));
    functions.truncate(FUNCTIONS);
    Ok(functions)
}

/// Parses a line such as `1,234 ( 5.67%)  file.rs:function [binary]`. An inlined function has
/// several lines, one for each file.
fn parse(line: &str) -> Option<(&str, u64)> {
    let (count, rest) = line.trim_start().split_once(" (")?;
    let (_, place) = rest.split_once("%)  ")?;
    let (_, function) = place.split_once(':')?;
    let function = function.split_once(" [").map_or(function, |(function, _)| function);
    Some((function, count.replace(',', "").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_server_and_task() {
        let row = |task, counts| Row { server: "ours".into(), task, counts };
        assert_eq!(
            table(&[row(Task::Echo, [5918, 2297, 1989]), row(Task::TypedEvent, [7400, 3, 2])]),
            "\n## Instructions per message\n\n\
             | server | task | 1 in flight | 16 in flight | 64 in flight |\n|---|---|---:|---:|---:|\n\
             | ours | echo | 5918 | 2297 | 1989 |\n| ours | typed-event | 7400 | 3 | 2 |\n"
        );
    }

    #[test]
    fn a_line_of_callgrind_annotate_is_a_function_and_its_instructions() {
        let line = " 2,843,946 ( 1.02%)  /src/socket.rs:core::Socket<S>::poll_read [/target/benches]";
        assert_eq!(parse(line), Some(("core::Socket<S>::poll_read", 2_843_946)));
        assert_eq!(parse("278,502,454 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(parse("Ir                   file:function"), None);
    }
}
