//! 100 000 rooms on one node: the memory of their subscriptions, and the time until all are
//! subscribed again after the broker was killed and started.
//!
//! The memory of the same rooms in a node without a cluster is subtracted.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::{
    Dialect, JOIN_MANY, JOINED, STATE, Setting,
    broker::{Broker, Kind},
    dialect::{expect, receive, send},
    nodes,
    report::Row,
};
use crate::{load::idle::at_rest, machine, process::ServerProcess};

const ROOMS: usize = 100_000;
const CONNECTIONS: usize = 1000;

/// The time between two polls, and the longest time of the subscriptions.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let rooms = ROOMS / setting.scale;
    let alone = {
        let node = nodes::start(Dialect::Ours, None, None)?;
        let before = at_rest(&node)?;
        let _open = join(&node, rooms)?;
        at_rest(&node)?.saturating_sub(before)
    };
    let mut broker = Broker::start(kind)?;
    let node = nodes::start(Dialect::Ours, Some(&broker), None)?;
    let before = at_rest(&node)?;
    let mut open = join(&node, rooms)?;
    let subscribed = wait(&broker, &mut open[0], Subscribed { rooms, reconnects: 0 }, Instant::now())?;
    let with_cluster = at_rest(&node)?.saturating_sub(before);
    let per_room = |bytes: u64| bytes as f64 / rooms as f64;
    let killed = Instant::now();
    broker.restart()?;
    let again = wait(&broker, &mut open[0], Subscribed { rooms, reconnects: 1 }, killed)?;
    let after = at_rest(&node)?.saturating_sub(before);
    let (case, unit) = (format!("{rooms} rooms"), "resident bytes a room");
    Ok(vec![
        Row::new(format!("{case}, memory without a cluster"), unit, per_room(alone)),
        Row::new(format!("{case}, more with one"), unit, per_room(with_cluster.saturating_sub(alone))),
        Row::new(
            format!("{case}, more with one after a restart of the broker"),
            unit,
            per_room(after.saturating_sub(alone)),
        ),
        Row::new(format!("{case}, subscribed after the last join"), "s", subscribed.as_secs_f64()),
        Row::new(format!("{case}, subscribed after the broker was killed"), "s", again.as_secs_f64()),
    ])
}

/// Joins all rooms, each by one of the connections.
fn join(node: &ServerProcess, rooms: usize) -> anyhow::Result<Vec<TcpStream>> {
    let each = rooms / CONNECTIONS;
    let open = |index| {
        let mut stream = Dialect::Ours.open(node.endpoint())?;
        let first = index * each;
        send(&mut stream, &format!("{JOIN_MANY}{first} {}", first + each))?;
        expect(&mut stream, JOINED)?;
        Ok(stream)
    };
    (0..CONNECTIONS).map(open).collect()
}

/// The state to wait for: all rooms are subscribed, on a link with at least this number of
/// reconnects.
#[derive(Clone, Copy)]
struct Subscribed {
    rooms: usize,
    reconnects: usize,
}

impl Subscribed {
    fn is_reached(self, state: &str) -> bool {
        let words: Vec<&str> = state.split(' ').collect();
        let [state, subscriptions, reconnects] = words[..] else { return false };
        state == "Up"
            && subscriptions.parse() == Ok(self.rooms)
            && reconnects.parse().is_ok_and(|reconnects: usize| reconnects >= self.reconnects)
    }
}

/// Waits until the link is up and the broker has all subscriptions. Returns the elapsed time.
fn wait(
    broker: &Broker,
    connection: &mut TcpStream,
    wanted: Subscribed,
    since: Instant,
) -> anyhow::Result<Duration> {
    loop {
        send(connection, STATE)?;
        if wanted.is_reached(&receive(connection)?) && broker.has_more_channels_than(wanted.rooms)? {
            return Ok(since.elapsed());
        }
        ensure!(since.elapsed() < PATIENCE, "the rooms are not subscribed");
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_a_link_that_ended_do_not_count() {
        let wanted = Subscribed { rooms: 5, reconnects: 1 };
        assert!(wanted.is_reached("Up 5 1"));
        for state in ["Up 5 0", "Up 4 1", "Down 5 1", "Up 5"] {
            assert!(!wanted.is_reached(state), "{state}");
        }
    }
}
