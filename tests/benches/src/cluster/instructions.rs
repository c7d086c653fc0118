//! The instructions of one message between two nodes, on the publishing and on the receiving one.

use super::{Dialect, link::Pair, nodes, redis::Redis};
use crate::instructions::{self, Counted, FEW, MANY, Profiler};

/// The node that is profiled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Publishing,
    Receiving,
}

pub(crate) fn count() -> anyhow::Result<()> {
    if let Err(error) = super::redis::check() {
        println!("\nMessages between nodes are not counted: {error}");
        return Ok(());
    }
    for (role, name) in [(Role::Publishing, "publishing"), (Role::Receiving, "receiving")] {
        let [few, many] = [FEW, MANY].map(|messages| run(role, name, messages));
        instructions::print(&format!("ours, {name} node"), "message", &few?, &many?)?;
    }
    Ok(())
}

fn run(role: Role, name: &str, messages: u64) -> anyhow::Result<Counted> {
    let profiler = Profiler::new(&format!("node.{name}.{messages}"));
    let wrapper = |of| (role == of).then(|| profiler.command());
    let redis = Redis::start()?;
    let publishing = nodes::start(Dialect::Ours, Some(&redis), wrapper(Role::Publishing))?;
    let receiving = nodes::start(Dialect::Ours, Some(&redis), wrapper(Role::Receiving))?;
    Pair::open(Dialect::Ours, &publishing, &receiving)?.pass_all(messages)?;
    match role {
        Role::Publishing => profiler.finish(publishing),
        Role::Receiving => profiler.finish(receiving),
    }
}
