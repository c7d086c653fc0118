//! A measured server: one of this program, or a peer that a command starts.

use std::ffi::OsString;

use crate::{
    peer::Peer,
    servers::{BuiltIn, Task},
};

/// A column of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    BuiltIn(BuiltIn),
    Peer(Peer),
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::BuiltIn(server) => server.name(),
            Self::Peer(peer) => &peer.name,
        }
    }

    /// Whether it answers with WebSocket frames, after a handshake.
    pub(crate) fn speaks_websocket(&self) -> bool {
        !matches!(self, Self::BuiltIn(BuiltIn::Raw))
    }

    /// Whether it takes part in this task.
    pub(crate) fn can(&self, task: Task) -> bool {
        match self {
            Self::BuiltIn(server) => server.can(task),
            Self::Peer(peer) => peer.can(task),
        }
    }

    /// Returns the program and its arguments for this task. A built-in server is this program
    /// itself.
    pub(crate) fn command(&self, task: Task) -> anyhow::Result<Vec<OsString>> {
        match self {
            Self::BuiltIn(server) => {
                let program = std::env::current_exe()?.into();
                Ok(vec![program, "server".into(), server.name().into(), task.name().into()])
            }
            Self::Peer(peer) => Ok(peer.command(task).into_iter().map(OsString::from).collect()),
        }
    }
}
