//! The command line. Anything it does not know is an error that shows the usage.

use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context as _, bail};

use crate::servers::{Server, Task};

/// What the command line may be.
pub(crate) const USAGE: &str = "\
usage: ws-benches [FILTER..] [--quick] [--rounds N] [--seconds S] [--servers A,B] [--output FILE]
       ws-benches instructions [--servers A,B]

FILTER      only cases whose name contains one of these, such as `echo`, `fan-out`, `idle`, `64 KiB`
--quick     a smoke run: two short rounds, small numbers of connections
--rounds    how often every server is measured (5)
--seconds   how long one measurement takes (0.7)
--servers   only these: ours, plain, forward, coalesced, axum, actix, fastwebsockets,
            tokio-websockets, raw
--output    where the table goes besides stdout; by default results.md and the README, and only if everything was
            measured";

/// What is to be done.
pub(crate) enum Command {
    /// Measure and write the table.
    Measure(Options),
    /// Count the instructions of one message.
    Instructions(Options),
    /// Be one of the servers: how the process calls itself.
    Server {
        server: Server,
        task: Task,
        core: Option<usize>,
    },
    Help,
}

/// What is measured, and how long.
pub(crate) struct Options {
    pub(crate) filters: Vec<String>,
    pub(crate) servers: Vec<Server>,
    pub(crate) is_quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: Duration,
    pub(crate) output: Option<PathBuf>,
}

impl Command {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = arguments.peekable();
        match arguments.peek().map(String::as_str) {
            Some("server") => Self::parse_server(arguments.skip(1)),
            Some("instructions") => Options::parse(arguments.skip(1)).map(Self::Instructions),
            Some("--help" | "-h") => Ok(Self::Help),
            _ => Options::parse(arguments).map(Self::Measure),
        }
    }

    fn parse_server(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut next = || arguments.next();
        let server = next().context("which server?")?.parse()?;
        let task = next().context("which task?")?.parse()?;
        let core = next().map(|core| core.parse()).transpose().context("the core is a number")?;
        Ok(Self::Server { server, task, core })
    }
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self {
            filters: Vec::new(),
            servers: Vec::new(),
            is_quick: false,
            rounds: 5,
            seconds: Duration::from_millis(700),
            output: None,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => {
                    options.is_quick = true;
                    options.rounds = 2;
                    options.seconds = Duration::from_millis(150);
                }
                "--rounds" => options.rounds = value(&argument, &mut arguments)?,
                "--seconds" => {
                    options.seconds = Duration::try_from_secs_f64(value(&argument, &mut arguments)?)?;
                }
                "--servers" => {
                    let names: String = value(&argument, &mut arguments)?;
                    options.servers = names.split(',').map(str::parse).collect::<anyhow::Result<_>>()?;
                }
                "--output" => options.output = Some(value(&argument, &mut arguments)?),
                unknown if unknown.starts_with('-') => bail!("unknown option `{unknown}`\n{USAGE}"),
                _ => options.filters.push(argument),
            }
        }
        anyhow::ensure!(options.rounds > 0, "`--rounds` is at least 1");
        Ok(options)
    }

    /// Whether nothing was left out, so that the result may stand for the whole.
    pub(crate) fn is_complete(&self) -> bool {
        self.filters.is_empty() && self.servers.is_empty() && !self.is_quick
    }

    pub(crate) fn wants_case(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }

    pub(crate) fn wants_server(&self, server: Server) -> bool {
        self.servers.is_empty() || self.servers.contains(&server)
    }
}

fn value<T>(option: &str, arguments: &mut impl Iterator<Item = String>) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = arguments.next().with_context(|| format!("`{option}` needs a value"))?;
    text.parse().with_context(|| format!("`{text}` is no value for `{option}`"))
}
