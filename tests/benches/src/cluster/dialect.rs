//! The compared servers, and the messages of their clients.

use std::{io::Write as _, net::TcpStream, str::FromStr};

use anyhow::{Context as _, bail, ensure};

use super::{JOIN, JOINED, SAY};
use crate::{
    load::{
        connect,
        frames::{self, Ring, TEXT},
    },
    process::Endpoint,
    servers::{self, PATH},
};

/// The number of different messages of ws-core, so that a reordered one is detected.
const DISTINCT: usize = 16;

/// A kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// ws-core: a message is a text.
    Ours,
    /// socketioxide: a message is an event of socket.io in a packet of engine.io.
    SocketIo,
}

impl Dialect {
    pub(crate) const ALL: [Self; 2] = [Self::Ours, Self::SocketIo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::SocketIo => "socketioxide",
        }
    }

    /// The path of the handshake.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Ours => PATH,
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        }
    }

    /// Runs a node until the process is ended.
    pub(crate) fn serve(self, broker: Option<String>) -> anyhow::Result<()> {
        servers::run_node(self, broker)
    }

    /// Opens a connection that may publish.
    pub(super) fn open(self, node: &Endpoint) -> anyhow::Result<TcpStream> {
        let mut stream = connect::open(node)?;
        if self == Self::SocketIo {
            expect(&mut stream, "0{")?;
            send(&mut stream, "40")?;
            // The first ping is sent at once, the next one after the measurement.
            let (mut is_connected, mut was_pinged) = (false, false);
            while !(is_connected && was_pinged) {
                match receive(&mut stream)?.as_str() {
                    "2" => {
                        was_pinged = true;
                        send(&mut stream, "3")?;
                    }
                    text if text.starts_with("40{") => is_connected = true,
                    text => bail!("`40` was answered by `{text}`"),
                }
            }
        }
        Ok(stream)
    }

    /// Opens a connection that is a member of the room.
    pub(super) fn open_member(self, node: &Endpoint) -> anyhow::Result<TcpStream> {
        let mut stream = self.open(node)?;
        send(&mut stream, &self.encode(JOIN, None))?;
        // An event without data may have `null` after its name.
        expect(&mut stream, self.encode(JOINED, None).trim_end_matches(']'))?;
        Ok(stream)
    }

    /// Returns the frame with which a client publishes a text.
    pub(super) fn publication(self, text: &str) -> Vec<u8> {
        frames::from_client(TEXT, self.encode(SAY, Some(text)).as_bytes())
    }

    /// Returns the frame that members of the room receive.
    pub(super) fn delivery(self, text: &str) -> Vec<u8> {
        frames::from_server(TEXT, self.encode(SAY, Some(text)).as_bytes())
    }

    /// Returns texts of this size, and the frames that publish and deliver them.
    pub(super) fn rings(self, bytes: usize) -> anyhow::Result<Rings> {
        // The handlers of socketioxide are tasks, so its messages have no order.
        let distinct = if self == Self::Ours { DISTINCT } else { 1 };
        let text = |index: usize| format!("{index:0>2}{}", "x".repeat(bytes.saturating_sub(2)));
        let requests = Ring::new((0..distinct).map(|index| self.publication(&text(index))))?;
        let replies = Ring::new((0..distinct).map(|index| self.delivery(&text(index))))?;
        Ok(Rings { requests, replies })
    }

    fn encode(self, event: &str, text: Option<&str>) -> String {
        match (self, text) {
            (Self::Ours, text) => text.unwrap_or(event).to_owned(),
            (Self::SocketIo, None) => format!(r#"42["{event}"]"#),
            (Self::SocketIo, Some(text)) => format!(r#"42["{event}","{text}"]"#),
        }
    }
}

impl FromStr for Dialect {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|dialect| dialect.name() == name) {
            Some(dialect) => Ok(dialect),
            None => bail!("unknown kind of node `{name}`"),
        }
    }
}

/// The frames of a publisher and those of a member.
pub(super) struct Rings {
    pub(super) requests: Ring,
    pub(super) replies: Ring,
}

/// Sends a text.
pub(super) fn send(stream: &mut TcpStream, text: &str) -> anyhow::Result<()> {
    Ok(stream.write_all(&frames::from_client(TEXT, text.as_bytes()))?)
}

/// Receives a text.
pub(super) fn receive(stream: &mut TcpStream) -> anyhow::Result<String> {
    let (_, payload) = frames::read_from_server(stream).context("no answer")?;
    Ok(String::from_utf8(payload)?)
}

/// Receives a text with this start.
pub(super) fn expect(stream: &mut TcpStream, start: &str) -> anyhow::Result<()> {
    let text = receive(stream)?;
    ensure!(text.starts_with(start), "`{start}` was expected, not `{text}`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_form_of_its_server() {
        assert_eq!(Dialect::Ours.delivery("hi"), b"\x81\x02hi");
        assert_eq!(Dialect::SocketIo.delivery("hi"), b"\x81\x0e42[\"say\",\"hi\"]");
    }

    #[test]
    fn texts_have_their_size() {
        let rings = Dialect::Ours.rings(64).expect("rings");
        assert_eq!((rings.requests.frame_len(), rings.replies.frame_len()), (64 + 6, 64 + 2));
    }
}
