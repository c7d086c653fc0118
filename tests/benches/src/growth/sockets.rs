//! One node with so many connections over sockets. Node and generator are two processes, each with
//! a core of its own.

use std::time::{Duration, Instant};

use super::{BROADCASTS, Figures, HEARTBEAT, ROOM, WARM_UP, crowd::Crowd, member::Seen, per};
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

    let (begun, cpu) = (Instant::now(), node.cpu()?);
    crowd.open(connections)?;
    let (open_time, open_cpu) = (begun.elapsed(), node.cpu()? - cpu);
    let kernel_after = kernel_bytes()?;

    // Each connection has received something then.
    crowd.broadcast()?;
    let resident_after = at_rest(&node, &mut crowd)?;
    let allocated_after = crowd.allocated()?;
    let grown = |before: u64, after: u64| after.saturating_sub(before) as f64 / opened as f64;

    let (begun, cpu, pings) = (Instant::now(), node.cpu()?, crowd.seen.pings);
    crowd.idle(2 * HEARTBEAT)?;
    let (idle_time, idle_cpu) = (begun.elapsed(), node.cpu()? - cpu);
    let pings = crowd.seen.pings - pings;

    let (begun, cpu) = (Instant::now(), node.cpu()?);
    let broadcasts = BROADCASTS.clamp_to(connections);
    for _ in 0..broadcasts {
        crowd.broadcast()?;
    }
    let (broadcast_time, broadcast_cpu) = (begun.elapsed(), node.cpu()? - cpu);
    let deliveries = u64::from(broadcasts) * connections as u64;

    let room = connections.min(ROOM);
    crowd.join(room)?;
    let cpu = node.cpu()?;
    let to_room = BROADCASTS.clamp_to(room);
    for _ in 0..to_room {
        crowd.tell_room(room)?;
    }
    let room_cpu = node.cpu()? - cpu;

    let (begun, cpu) = (Instant::now(), node.cpu()?);
    node.begin_to_stop()?;
    crowd.ended()?;
    let (drain_time, drain_cpu) = (begun.elapsed(), node.cpu()? - cpu);
    let Seen { messages, closes, .. } = crowd.seen;
    node.ended()?;
    Ok(Figures {
        resident: grown(resident, resident_after),
        allocated: allocated.zip(allocated_after).map(|(before, after)| grown(before, after)),
        kernel: Some(grown(kernel, kernel_after)),
        opened_per_second: opened as f64 / open_time.as_secs_f64(),
        open_cpu: per(open_cpu, opened as u64),
        idle_share: idle_cpu.as_secs_f64() / idle_time.as_secs_f64(),
        heartbeat_cpu: per(idle_cpu, pings),
        delivery_cpu: per(broadcast_cpu, deliveries),
        room_cpu: per(room_cpu, u64::from(to_room) * room as u64),
        broadcast_seconds: broadcast_time.as_secs_f64() / f64::from(broadcasts),
        lost: crowd.expected.abs_diff(messages) as f64,
        drain_seconds: drain_time.as_secs_f64(),
        close_cpu: per(drain_cpu, connections as u64),
        unclosed: (connections as u64).abs_diff(closes) as f64,
    })
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
