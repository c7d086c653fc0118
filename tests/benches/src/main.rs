//! ws-core compared with other libraries: one command that measures all of them in one interleaved
//! run and writes a Markdown table.
//!
//! The figure is the server's CPU time (user and system) per message, handshake or delivery. Every
//! server is a child process (`server`, `process`), pinned to one core. The load generator (`load`)
//! is the parent, pinned to another. `servers` has those that are part of this program, `peer`
//! describes others. `cases` lists the measurements, `run` takes them in turns, `report` and
//! `summary` write the results. `cluster` is a separate run, with two or three processes and a
//! broker. Only the public API of the toolkit is used.

mod cases;
mod cluster;
mod instructions;
mod load;
mod machine;
mod options;
mod peer;
mod process;
mod report;
mod run;
mod server;
mod servers;
mod stats;
mod summary;

use options::Command;

fn main() -> anyhow::Result<()> {
    match Command::parse(std::env::args().skip(1))? {
        Command::Measure(options) => run::measure(&options),
        Command::Instructions(options) => instructions::count(&options),
        Command::Cluster(options) => cluster::measure(&options),
        Command::Node { dialect, broker } => {
            machine::raise_file_limit()?;
            dialect.serve(broker)
        }
        Command::Server { server, task } => {
            machine::raise_file_limit()?;
            servers::run(server, task)
        }
        Command::Help => {
            println!("{}", options::USAGE);
            Ok(())
        }
    }
}
