//! A room with 10 000 members on three nodes over Redis: the time until a watch is complete, the
//! messages and bytes of a join, and the time until the members of a killed node are removed.
//! Nothing is pinned.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{
    Dialect, JOIN, JOINED, MEMBERS as COUNT, Setting, WATCH,
    broker::{Broker, Kind, Traffic},
    dialect::{expect, receive, send},
    nodes,
    report::Row,
};
use crate::{machine, process::ServerProcess};

const MEMBERS: usize = 10_000;
const NODES: usize = 3;

/// The number of joins that are not gathered with others, and the time between two of them. A node
/// gathers the changes of 50 ms.
const SINGLE_JOINS: usize = 100;
const APART: Duration = Duration::from_millis(60);

/// The time between two polls, and the longest time of a change.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let members = MEMBERS / setting.scale;
    let mut rows = without_a_watch(members)?;
    rows.extend(watched(members, SINGLE_JOINS / setting.scale)?);
    Ok(rows)
}

/// All members join, then each node watches, then a node is killed.
fn without_a_watch(members: usize) -> anyhow::Result<Vec<Row>> {
    let mut room = Room::start(members)?;
    let before = room.broker.traffic()?;
    join(&mut room.members)?;
    let joins = before.until(room.broker.traffic()?);
    let mut rows = per_join("without a watch", &joins, members);
    for control in &mut room.controls {
        send(control, WATCH)?;
        let settled: [f64; 2] = serde_json::from_str(&receive(control)?)?;
        ensure!(settled[0] as usize == members, "a watch has found {} of {members} members", settled[0]);
        rows.push(Row::new(format!("{members} members on {NODES} nodes, watch complete"), "ms", settled[1]));
    }
    let killed = Instant::now();
    let killed_node = room.nodes.last_mut().context("no node")?;
    killed_node.kill()?;
    let left = (0..members).filter(|index| index % NODES != NODES - 1).count();
    wait(&mut room.controls[0], left)?;
    let removed = killed.elapsed().as_secs_f64();
    let name = format!("{members} members on {NODES} nodes, those of a killed node removed");
    rows.push(Row::new(name, "s", removed));
    Ok(rows)
}

/// A node watches, then all members join.
fn watched(members: usize, single_joins: usize) -> anyhow::Result<Vec<Row>> {
    let mut room = Room::start(members)?;
    send(&mut room.controls[0], WATCH)?;
    receive(&mut room.controls[0])?;
    // One member on each node, so that the others are not the first ones.
    join(&mut room.members[..NODES])?;
    wait(&mut room.controls[0], NODES)?;
    let (start, span) = (room.broker.traffic()?, APART * single_joins as u32);
    thread::sleep(span);
    let idle = start.until(room.broker.traffic()?);
    let start = room.broker.traffic()?;
    let on_others = room.members.iter_mut().enumerate().skip(NODES).filter(|(index, _)| index % NODES != 0);
    let mut joined = NODES;
    for (_, member) in on_others.take(single_joins) {
        join(std::slice::from_mut(member))?;
        joined += 1;
        thread::sleep(APART);
    }
    let singles = start.until(room.broker.traffic()?).without(&idle);
    wait(&mut room.controls[0], joined)?;
    let mut rows = per_join("of another node while one watches, one at a time", &singles, single_joins);
    let start = room.broker.traffic()?;
    // Those that are in the room already join it again, which has no effect.
    let begun = Instant::now();
    join(&mut room.members)?;
    let seconds = begun.elapsed().as_secs_f64();
    wait(&mut room.controls[0], members)?;
    let many = start.until(room.broker.traffic()?);
    let more = members - joined;
    rows.extend(per_join("while one watches, one after another", &many, more));
    rows.push(Row::new("joins while one watches, one after another", "per second", more as f64 / seconds));
    Ok(rows)
}

fn per_join(case: &str, traffic: &Traffic, joins: usize) -> Vec<Row> {
    let per_join = |count: u64| count as f64 / joins as f64;
    vec![
        Row::new(format!("join {case}, messages"), "published a join", per_join(traffic.published)),
        Row::new(format!("join {case}, bytes"), "into and out of Redis a join", per_join(traffic.bytes)),
    ]
}

/// The nodes, and the open connections of the members, which have not joined.
struct Room {
    broker: Broker,
    nodes: Vec<ServerProcess>,
    /// A connection to each node that is not a member.
    controls: Vec<TcpStream>,
    /// In turns on the first, the second and the third node.
    members: Vec<TcpStream>,
}

impl Room {
    fn start(members: usize) -> anyhow::Result<Self> {
        let broker = Broker::start(Kind::Redis)?;
        let nodes: Vec<_> = (0..NODES)
            .map(|_| nodes::start(Dialect::Ours, Some(&broker), None))
            .collect::<anyhow::Result<_>>()?;
        let open = |node: &ServerProcess| Dialect::Ours.open(node.endpoint());
        let controls = nodes.iter().map(open).collect::<anyhow::Result<_>>()?;
        let members = nodes.iter().cycle().take(members).map(open).collect::<anyhow::Result<_>>()?;
        Ok(Self { broker, nodes, controls, members })
    }
}

fn join(members: &mut [TcpStream]) -> anyhow::Result<()> {
    for member in members {
        send(member, JOIN)?;
        expect(member, JOINED)?;
    }
    Ok(())
}

/// Waits until the watch of the node has this number of members.
fn wait(control: &mut TcpStream, members: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        send(control, COUNT)?;
        let count = receive(control)?;
        if count.parse() == Ok(members) {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "the watch has {count} members instead of {members}");
        thread::sleep(LOOK);
    }
}
