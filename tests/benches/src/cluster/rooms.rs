//! 100 000 rooms on one node: the memory of their subscriptions, and the time until all are
//! subscribed again after Redis was killed and started.
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
    dialect::{expect, receive, send},
    nodes,
    redis::Redis,
    report::Row,
};
use crate::{load::idle::at_rest, machine, process::ServerProcess};

const ROOMS: usize = 100_000;
const CONNECTIONS: usize = 1000;

/// The time between two looks, and the longest time that subscribing takes.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let rooms = ROOMS / setting.scale;
    let alone = {
        let node = nodes::start(Dialect::Ours, None, None)?;
        let before = at_rest(&node)?;
        let _open = join(&node, rooms)?;
        at_rest(&node)?.saturating_sub(before)
    };
    let mut redis = Redis::start()?;
    let node = nodes::start(Dialect::Ours, Some(&redis), None)?;
    let before = at_rest(&node)?;
    let mut open = join(&node, rooms)?;
    let subscribed = wait(&redis, &mut open[0], rooms, Instant::now())?;
    let with_cluster = at_rest(&node)?.saturating_sub(before);
    let per_room = |bytes: u64| bytes as f64 / rooms as f64;
    let killed = Instant::now();
    redis.restart()?;
    let again = wait(&redis, &mut open[0], rooms, killed)?;
    let after = at_rest(&node)?.saturating_sub(before);
    let (case, unit) = (format!("{rooms} rooms"), "resident bytes a room");
    Ok(vec![
        Row::new(format!("{case}, memory without a cluster"), unit, per_room(alone)),
        Row::new(format!("{case}, more with one"), unit, per_room(with_cluster.saturating_sub(alone))),
        Row::new(
            format!("{case}, more with one after a restart of Redis"),
            unit,
            per_room(after.saturating_sub(alone)),
        ),
        Row::new(format!("{case}, subscribed after the last join"), "s", subscribed.as_secs_f64()),
        Row::new(format!("{case}, subscribed after Redis was killed"), "s", again.as_secs_f64()),
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

/// Waits until the link is up and Redis has all subscriptions; returns the time since then.
fn wait(redis: &Redis, connection: &mut TcpStream, rooms: usize, since: Instant) -> anyhow::Result<Duration> {
    let wanted = format!("Up {rooms}");
    loop {
        send(connection, STATE)?;
        if receive(connection)? == wanted && redis.channels()? > rooms {
            return Ok(since.elapsed());
        }
        ensure!(since.elapsed() < PATIENCE, "the rooms are not subscribed");
        thread::sleep(LOOK);
    }
}
