//! ws-core beside its peers: one command that measures all of them in one interleaved run and writes a Markdown table.
//!
//! The figure that counts is the server's CPU time (user and system) per message, handshake or delivery. Every server
//! is a child process of its own (`servers`, `process`), pinned to one core; the load generator (`load`) is the parent,
//! pinned to another. `cases` says what is measured, `run` in which order, `report` how it is written down. Nothing
//! here is part of the toolkit, and nothing of the toolkit but its public API is used.

mod cases;
mod instructions;
mod load;
mod machine;
mod options;
mod process;
mod report;
mod run;
mod servers;
mod stats;

use options::Command;

fn main() -> anyhow::Result<()> {
    match Command::parse(std::env::args().skip(1))? {
        Command::Measure(options) => run::measure(&options),
        Command::Instructions(options) => instructions::count(&options),
        Command::Server { server, task, core } => {
            if let Some(core) = core {
                machine::pin_to(core)?;
            }
            machine::raise_file_limit()?;
            servers::run(server, task)
        }
        Command::Help => {
            println!("{}", options::USAGE);
            Ok(())
        }
    }
}
