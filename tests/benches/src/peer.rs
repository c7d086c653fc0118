//! A peer: a server that is not part of this program, such as one in another language. `--peer` has
//! its name, its address, and the command that starts it.

use std::{net::ToSocketAddrs as _, str::FromStr};

use anyhow::{Context as _, bail, ensure};
use hyper::Uri;

use crate::{process::Endpoint, servers::Task};

/// The placeholder for the name of the task in a command.
const PLACEHOLDER: &str = "{task}";

/// A server that a command starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its column in the tables.
    pub(crate) name: String,
    /// Its address.
    pub(crate) endpoint: Endpoint,
    /// The program and its arguments. They are not parsed by a shell.
    command: Vec<String>,
}

impl Peer {
    /// Whether it takes part in this task: any command serves echo, one with `{task}` serves rooms
    /// and compression, too.
    pub(crate) fn can(&self, task: Task) -> bool {
        match task {
            Task::Echo => true,
            Task::Room | Task::CompressedEcho | Task::CompressedRoom | Task::WindowedEcho => {
                self.command.iter().any(|word| word.contains(PLACEHOLDER))
            }
            _ => false,
        }
    }

    /// The program and its arguments for this task.
    pub(crate) fn command(&self, task: Task) -> Vec<String> {
        self.command.iter().map(|word| word.replace(PLACEHOLDER, task.name())).collect()
    }
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    /// Parses `name=url=command`. The name and the URL contain no `=`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let [name, url, command] = text.splitn(3, '=').collect::<Vec<_>>()[..] else {
            bail!("`{text}` is not a peer; write `name=ws://host:port/path=command`");
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ensure!(
            !name.is_empty() && name.chars().all(is_plain),
            "`{name}` is not the name of a peer; write letters, digits, `-`, `_` and `.`"
        );
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        ensure!(!command.is_empty(), "the peer `{name}` needs the command that starts it");
        let endpoint = endpoint(url).with_context(|| format!("`{url}` is not the URL of a peer"))?;
        Ok(Self { name: name.to_owned(), endpoint, command })
    }
}

fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
    let uri: Uri = url.parse()?;
    ensure!(uri.scheme_str() == Some("ws"), "its scheme must be `ws`");
    let authority = uri.authority().context("it needs a host")?;
    ensure!(authority.port().is_some(), "it needs a port");
    let address = authority.as_str().to_socket_addrs()?.next().context("its host has no address")?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Endpoint { address, path: Some(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse().expect("a peer")
    }

    #[test]
    fn a_peer_is_a_name_a_url_and_a_command() {
        let peer = peer("uws=ws://127.0.0.1:9001/bench=env A=b ./server  --port 9001");
        assert_eq!(peer.name, "uws");
        assert_eq!(peer.endpoint.address, ([127, 0, 0, 1], 9001).into());
        assert_eq!(peer.endpoint.path.as_deref(), Some("/bench"));
        assert_eq!(peer.command(Task::Echo), ["env", "A=b", "./server", "--port", "9001"]);
    }

    #[test]
    fn the_path_of_the_request_is_that_of_the_url() {
        for (url, path) in [
            ("ws://127.0.0.1:1", "/"),
            ("ws://127.0.0.1:1/", "/"),
            ("ws://[::1]:1/a/b", "/a/b"),
            ("ws://127.0.0.1:1/a?b", "/a?b"),
        ] {
            let peer = peer(&format!("x={url}=run"));
            assert_eq!(peer.endpoint.path.as_deref(), Some(path), "{url}");
        }
    }

    #[test]
    fn a_command_with_the_placeholder_serves_rooms() {
        let with = peer("x=ws://127.0.0.1:1=run --mode={task}");
        assert_eq!(with.command(Task::Room), ["run", "--mode=room"]);
        assert_eq!(with.command(Task::Echo), ["run", "--mode=echo"]);
        let without = peer("x=ws://127.0.0.1:1=run");
        for (task, with_it, without_it) in
            [(Task::Echo, true, true), (Task::Room, true, false), (Task::TypedEvent, false, false)]
        {
            assert_eq!((with.can(task), without.can(task)), (with_it, without_it), "{}", task.name());
        }
    }

    #[test]
    fn an_incomplete_peer_is_an_error_that_says_what_is_missing() {
        for (text, complaint) in [
            ("uws", "write `name=ws://host:port/path=command`"),
            ("uws=ws://127.0.0.1:1", "write `name=ws://host:port/path=command`"),
            ("=ws://127.0.0.1:1=run", "not the name of a peer"),
            ("a|b=ws://127.0.0.1:1=run", "not the name of a peer"),
            ("uws=ws://127.0.0.1:1= ", "needs the command"),
            ("uws=http://127.0.0.1:1=run", "must be `ws`"),
            ("uws=ws://127.0.0.1=run", "needs a port"),
            ("uws=/bench=run", "must be `ws`"),
        ] {
            let error = format!("{:#}", text.parse::<Peer>().expect_err(text));
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
