//! The CPU time of one delivery to a room of 1000: once published on the same node, and once on
//! another node. The publisher is not a member in either case.
//!
//! The node with the members has its own core. The other node, the broker and the load generator
//! share the other core.

use mio::{Events, Poll};

use super::{
    Dialect, Setting,
    broker::{Broker, Kind},
    nodes,
    report::Row,
};
use crate::{
    load::{
        Sample, Span,
        echo::{EVENTS, TICK},
        lane::{Lane, READ_BYTES},
        stopwatch::Stopwatch,
    },
    machine,
    process::ServerProcess,
};

const BYTES: usize = 64;
const MEMBERS: usize = 1000;

pub(super) fn run(dialect: Dialect, kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to(setting.cores.generator)?;
    let members = MEMBERS / setting.scale;
    let span = Span::Time { warm_up: setting.options.seconds / 4, measured: setting.options.seconds };
    let pinned = || Some(machine::pinned_to(setting.cores.server));
    let local = {
        let node = nodes::start(dialect, None, pinned())?;
        publish(dialect, &node, &node, members, span)?
    };
    let remote = {
        let broker = Broker::start(kind)?;
        let receiving = nodes::start(dialect, Some(&broker), pinned())?;
        let publishing = nodes::start(dialect, Some(&broker), None)?;
        publish(dialect, &publishing, &receiving, members, span)?
    };
    let case = format!("fan-out {BYTES} B to {members}");
    Ok(vec![
        Row::new(format!("{case}, local"), "µs of CPU a delivery", local.value),
        Row::new(
            format!("{case} of another node"),
            "µs of CPU of the receiving node a delivery",
            remote.value,
        ),
        Row::new(format!("{case}, receiving as a multiple of local"), "ratio", remote.value / local.value),
    ])
}

/// Publishes one message after another, each after the last one has reached all members. An item is
/// a delivery, its cost that of the receiving node.
pub(super) fn publish(
    dialect: Dialect,
    publishing: &ServerProcess,
    receiving: &ServerProcess,
    members: usize,
    span: Span,
) -> anyhow::Result<Sample> {
    let rings = dialect.rings(BYTES)?;
    let mut poll = Poll::new()?;
    let mut lanes = Vec::with_capacity(members);
    for index in 0..members {
        lanes.push(Lane::new(&poll, index, dialect.open_member(receiving.endpoint())?)?);
    }
    let mut publisher = Lane::new(&poll, members, dialect.open(publishing.endpoint())?)?;
    let mut stopwatch = Stopwatch::new(receiving, span)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS);
    let (mut published, mut delivered) = (1, 0);
    stopwatch.begin();
    loop {
        publisher.send_up_to(published, &rings.requests)?;
        poll.poll(&mut events, Some(TICK))?;
        for event in &events {
            if let Some(lane) = lanes.get_mut(event.token().0) {
                delivered += lane.receive(&rings.replies, &mut buffer)?;
            }
        }
        if delivered < published * members as u64 {
            stopwatch.check_progress()?;
            continue;
        }
        if let Some(sample) = stopwatch.tick(members as u64)? {
            return Ok(sample);
        }
        published += 1;
    }
}
