//! ws-core compared with other libraries: one command that measures all of them in one interleaved
//! run and writes a Markdown table.
//!
//! The figure that counts is the server's CPU time (user and system) per message, handshake or
//! delivery. Every server is a child process of its own (`server`, `process`), pinned to one core;
//! the load generator (`load`) is the parent, pinned to another. `servers` has those that are part
//! of this program, `peer` describes others. `cases` lists what is measured, `run` measures it in
//! turns, `report` and `summary` write it down. `cluster` is a run of its own, with two
//! or three processes and a broker, and so is `growth`, with up to 100 000 connections. Of the toolkit only the public API is used.

mod cases;
mod cluster;
mod growth;
mod heap;
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
        Command::Growth(options) => growth::measure(&options),
        Command::GrowthNode => {
            machine::raise_file_limit()?;
            servers::run_growth_node()
        }
        Command::GrowthInMemory { connections } => servers::run_growth_in_memory(connections),
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
