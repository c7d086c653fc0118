//! One node with so many connections over sockets. Node and generator are two processes, each with
//! a core of its own.

use std::time::Duration;

use super::{
    BROADCASTS, Figures, HEARTBEAT, WARM_UP,
    crowd::Crowd,
    phases::{Memory, Phases, Reading, members},
};
use crate::{
    load::idle,
    machine::{self, Cores},
    process::{ServerProcess, bytes_in},
    servers::PATH,
};

/// The time that the generator runs before memory is read.
const SETTLING: Duration = Duration::from_millis(300);

pub(super) fn run(connections: usize, cores: Cores) -> anyhow::Result<Figures> {
    machine::pin_to(cores.generator)?;
    let wrapper = Some(machine::pinned_to(cores.server));
    let node = ServerProcess::start_self(["growth-node".into()], PATH, wrapper)?;
    let mut crowd = Crowd::new(node.endpoint())?;
    crowd.open(WARM_UP)?;
    crowd.broadcast()?;
    let (resident, allocated, kernel) = (at_rest(&node, &mut crowd)?, crowd.allocated()?, kernel_bytes()?);
    let opened = connections - WARM_UP;

    let before = read(&node, &crowd)?;
    crowd.open(connections)?;
    let opening = before.until(read(&node, &crowd)?);
    let kernel_after = kernel_bytes()?;

    // Each connection has received something then.
    crowd.broadcast()?;
    let resident_after = at_rest(&node, &mut crowd)?;
    let allocated_after = crowd.allocated()?;

    let before = read(&node, &crowd)?;
    crowd.idle(2 * HEARTBEAT)?;
    let idle = before.until(read(&node, &crowd)?);

    let before = read(&node, &crowd)?;
    for _ in 0..BROADCASTS.clamp_to(connections) {
        crowd.broadcast()?;
    }
    let broadcasts = before.until(read(&node, &crowd)?);

    let room = members(connections);
    crowd.join(room)?;
    let before = read(&node, &crowd)?;
    for _ in 0..BROADCASTS.clamp_to(room) {
        crowd.tell_room(room)?;
    }
    let room = before.until(read(&node, &crowd)?);

    let before = read(&node, &crowd)?;
    node.begin_to_stop()?;
    crowd.ended()?;
    let drain = before.until(read(&node, &crowd)?);
    node.ended()?;
    let grown = |before: u64, after: u64| after.saturating_sub(before) as f64 / opened as f64;
    let memory = Memory {
        resident: grown(resident, resident_after),
        allocated: allocated.zip(allocated_after).map(|(before, after)| grown(before, after)),
        kernel: Some(grown(kernel, kernel_after)),
    };
    let phases = Phases { opening, idle, broadcasts, room, drain };
    Ok(phases.figures(connections, memory, crowd.seen, crowd.expected))
}

fn read(node: &ServerProcess, crowd: &Crowd) -> anyhow::Result<Reading> {
    Ok(Reading::now(node.cpu()?, crowd.seen))
}

/// The resident memory once it no longer changes. Pings are answered first.
fn at_rest(node: &ServerProcess, crowd: &mut Crowd) -> anyhow::Result<u64> {
    crowd.idle(SETTLING)?;
    idle::at_rest(node)
}

/// The memory of the kernel's objects, such as sockets and files, of the whole machine.
fn kernel_bytes() -> anyhow::Result<u64> {
    bytes_in("/proc/meminfo", "Slab:")
}
