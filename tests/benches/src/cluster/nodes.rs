//! The nodes of a measurement: processes of this program.

use std::process::Command;

use anyhow::Context as _;

use super::{Dialect, broker::Broker};
use crate::process::ServerProcess;

/// Starts a node; with a broker, it is in a cluster. The wrapper may pin it.
pub(super) fn start(
    dialect: Dialect,
    broker: Option<&Broker>,
    wrapper: Option<Command>,
) -> anyhow::Result<ServerProcess> {
    let arguments = ["node".into(), dialect.name().into()].into_iter();
    let arguments = arguments.chain(broker.map(|broker| broker.url().into()));
    ServerProcess::start_self(arguments, dialect.path(), wrapper)
        .with_context(|| format!("a node of `{}` did not start", dialect.name()))
}
