//! The instructions of one message between two nodes, on the publishing and on the receiving one,
//! and of one delivery to a room of the same and of another node.

use super::{
    Dialect,
    broker::{Broker, Kind},
    fan_out,
    link::Pair,
    nodes,
};
use crate::{
    instructions::{self, Counted, FEW, MANY, Profiler},
    load::Span,
};

/// The size of the room.
const MEMBERS: usize = 100;

/// The node that is profiled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Publishing,
    Receiving,
}

pub(crate) fn count() -> anyhow::Result<()> {
    if let Err(error) = Kind::Redis.check() {
        println!("\nMessages between nodes are not counted: {error}");
        return Ok(());
    }
    for (role, name) in [(Role::Publishing, "publishing"), (Role::Receiving, "receiving")] {
        let [few, many] = [FEW, MANY].map(|messages| run(role, name, messages));
        instructions::print(&format!("ours, {name} node"), "message", &few?, &many?)?;
    }
    for (role, name) in [(Role::Publishing, "the same"), (Role::Receiving, "another")] {
        let [few, many] = [FEW, MANY].map(|deliveries| fan_out(role, name, deliveries));
        let title = format!("ours, to a room, published on {name} node");
        instructions::print(&title, "delivery", &few?, &many?)?;
    }
    Ok(())
}

/// The members are on the publishing node or on the other one.
fn fan_out(members: Role, name: &str, deliveries: u64) -> anyhow::Result<Counted> {
    let profiler = Profiler::new(&format!("node.{}.{deliveries}", name.replace(' ', "-")));
    let broker = Broker::start(Kind::Redis)?;
    let receiving = nodes::start(Dialect::Ours, Some(&broker), Some(profiler.command()))?;
    let span = Span::Items(deliveries);
    if members == Role::Receiving {
        let publishing = nodes::start(Dialect::Ours, Some(&broker), None)?;
        fan_out::publish(Dialect::Ours, &publishing, &receiving, MEMBERS, span)?;
    } else {
        fan_out::publish(Dialect::Ours, &receiving, &receiving, MEMBERS, span)?;
    }
    profiler.finish(receiving)
}

fn run(role: Role, name: &str, messages: u64) -> anyhow::Result<Counted> {
    let profiler = Profiler::new(&format!("node.{name}.{messages}"));
    let wrapper = |of| (role == of).then(|| profiler.command());
    let broker = Broker::start(Kind::Redis)?;
    let publishing = nodes::start(Dialect::Ours, Some(&broker), wrapper(Role::Publishing))?;
    let receiving = nodes::start(Dialect::Ours, Some(&broker), wrapper(Role::Receiving))?;
    Pair::open(Dialect::Ours, &publishing, &receiving)?.pass_all(messages)?;
    match role {
        Role::Publishing => profiler.finish(publishing),
        Role::Receiving => profiler.finish(receiving),
    }
}
