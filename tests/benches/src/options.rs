//! The command line. An unknown argument is an error that shows the usage.

use std::{collections::HashSet, path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context as _, bail, ensure};

use crate::{
    cluster::Dialect,
    peer::Peer,
    server::Server,
    servers::{BuiltIn, Task},
};

/// The help text.
pub(crate) const USAGE: &str = "\
usage: ws-benches [FILTER..] [--quick] [--rounds N] [--seconds S] [--servers A,B] [--peer P].. [--output FILE]
       ws-benches instructions [--servers A,B] [--peer P]..
       ws-benches cluster [FILTER..] [--quick] [--rounds N] [--seconds S] [--output FILE]
       ws-benches growth [FILTER..] [--quick] [--rounds N] [--output FILE]

FILTER      only cases whose name contains one of these, such as `echo`, `fan-out`, `idle`, `64 KiB`
--quick     a smoke run: two short rounds, small numbers of connections
--rounds    how often every server is measured (5)
--seconds   how long one measurement takes (0.7)
--servers   of the servers in this program only these: ours, plain, forward, coalesced, axum, actix,
            fastwebsockets, tokio-websockets, raw
--peer      one more server: `name=ws://host:port/path=command`. The command is split at spaces, no shell reads it.
            `{task}` in it is replaced by `echo` or `room`; without `{task}` the peer takes part in echo, handshakes
            and idle memory only
--output    the file for the report; by default results.md (and a line in the README of the project) if everything
            was measured, otherwise none. The report is printed in any case

`cluster` needs redis-server, and nats-server for the column `ours, NATS`. Its filters are `fan-out`, `latency`, `link`,
`rooms`, `ask`, `presence`, and the columns `ours`, `NATS`, `socketioxide` and `redis-benchmark`; its file is
results-cluster.md. The filters of `growth` are `sockets` and `memory`; its file is results-growth.md";

/// The work to do.
pub(crate) enum Command {
    /// Measure and write the table.
    Measure(Options),
    /// Count the instructions of one message.
    Instructions(Options),
    /// Measure nodes over a broker.
    Cluster(Options),
    /// Measure one node with more and more connections.
    Growth(Options),
    /// Be the node of `growth` that is connected by sockets. The process starts itself with this
    /// command.
    GrowthNode,
    /// Measure so many connections over memory in this process. The process starts itself with this
    /// command.
    GrowthInMemory {
        connections: usize,
    },
    /// Be a node of a cluster, or a node alone. The process starts itself with this command.
    Node {
        dialect: Dialect,
        /// The URL of the broker.
        broker: Option<String>,
    },
    /// Run one of the servers. The process starts itself with this command.
    Server {
        server: BuiltIn,
        task: Task,
    },
    Help,
}

/// The selection of cases and servers, and the length of a measurement.
pub(crate) struct Options {
    pub(crate) filters: Vec<String>,
    /// Empty without `--servers`.
    chosen: Vec<BuiltIn>,
    peers: Vec<Peer>,
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
            Some("node") => Self::parse_node(arguments.skip(1)),
            Some("growth") => Options::parse(arguments.skip(1)).map(Self::Growth),
            Some("growth-node") => Ok(Self::GrowthNode),
            Some("growth-in-memory") => {
                let connections = arguments.nth(1).context("how many connections?")?.parse()?;
                Ok(Self::GrowthInMemory { connections })
            }
            Some("cluster") => Options::parse(arguments.skip(1)).map(Self::Cluster),
            Some("instructions") => Options::parse(arguments.skip(1)).map(Self::Instructions),
            Some("--help" | "-h") => Ok(Self::Help),
            _ => Options::parse(arguments).map(Self::Measure),
        }
    }

    fn parse_node(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let dialect = arguments.next().context("the kind of node is missing")?.parse()?;
        Ok(Self::Node { dialect, broker: arguments.next() })
    }

    fn parse_server(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut next = || arguments.next();
        let server = next().context("which server?")?.parse()?;
        let task = next().context("which task?")?.parse()?;
        Ok(Self::Server { server, task })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            chosen: Vec::new(),
            peers: Vec::new(),
            is_quick: false,
            rounds: 5,
            seconds: Duration::from_millis(700),
            output: None,
        }
    }
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self::default();
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
                    options.chosen = names.split(',').map(str::parse).collect::<anyhow::Result<_>>()?;
                }
                "--peer" => {
                    let peer: String = value(&argument, &mut arguments)?;
                    options.peers.push(peer.parse()?);
                }
                "--output" => options.output = Some(value(&argument, &mut arguments)?),
                unknown if unknown.starts_with('-') => bail!("unknown option `{unknown}`\n{USAGE}"),
                _ => options.filters.push(argument),
            }
        }
        ensure!(options.rounds > 0, "`--rounds` is at least 1");
        let mut names: HashSet<&str> = BuiltIn::ALL.map(BuiltIn::name).into();
        for peer in &options.peers {
            ensure!(names.insert(&peer.name), "two servers have the name `{}`", peer.name);
        }
        Ok(options)
    }

    /// Whether every case and every built-in server is measured, in full length.
    pub(crate) fn is_complete(&self) -> bool {
        self.filters.is_empty() && self.chosen.is_empty() && !self.is_quick
    }

    /// Whether servers were chosen or added.
    pub(crate) fn has_servers(&self) -> bool {
        !self.chosen.is_empty() || !self.peers.is_empty()
    }

    /// The servers that take part: those of `--servers`, or else these, and all peers.
    pub(crate) fn servers(&self, by_default: &[BuiltIn]) -> Vec<Server> {
        let built_in = if self.chosen.is_empty() { by_default } else { &self.chosen };
        let built_in = built_in.iter().copied().map(Server::BuiltIn);
        built_in.chain(self.peers.iter().cloned().map(Server::Peer)).collect()
    }

    pub(crate) fn wants_case(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn value<T>(option: &str, arguments: &mut impl Iterator<Item = String>) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = arguments.next().with_context(|| format!("`{option}` needs a value"))?;
    text.parse().with_context(|| format!("`{text}` is not a value for `{option}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "uws=ws://127.0.0.1:9001/bench=./server 9001 {task}";

    fn options(arguments: &[&str]) -> anyhow::Result<Options> {
        Options::parse(arguments.iter().copied().map(str::to_owned))
    }

    fn names(options: &Options) -> Vec<String> {
        options.servers(&[BuiltIn::Plain]).iter().map(|server| server.name().to_owned()).collect()
    }

    #[test]
    fn a_peer_takes_part_beside_the_chosen_or_the_default_servers() {
        let beside_chosen = options(&["--servers", "ours,raw", "--peer", PEER]).expect("options");
        assert_eq!(names(&beside_chosen), ["ours", "raw", "uws"]);
        let beside_default = options(&["--peer", PEER]).expect("options");
        assert_eq!(names(&beside_default), ["plain", "uws"]);
    }

    #[test]
    fn a_run_with_peers_is_complete_unless_something_is_left_out() {
        for (arguments, is_complete) in [
            (&["--peer", PEER][..], true),
            (&["--rounds", "9"], true),
            (&["echo"], false),
            (&["--servers", "ours"], false),
            (&["--quick"], false),
        ] {
            assert_eq!(options(arguments).expect("options").is_complete(), is_complete, "{arguments:?}");
        }
    }

    #[test]
    fn a_name_stands_for_one_server() {
        for arguments in [&["--peer", "axum=ws://127.0.0.1:1=run"][..], &["--peer", PEER, "--peer", PEER]] {
            let error = options(arguments).err().expect("an error").to_string();
            assert!(error.starts_with("two servers have the name"), "{error}");
        }
    }
}
