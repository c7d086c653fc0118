//! The phases of a measurement, and the figures that they give.

use std::time::{Duration, Instant};

use super::{BROADCASTS, Figures, ROOM, WARM_UP, member::Seen};

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    at: Instant,
    /// The CPU time of the node.
    cpu: Duration,
    /// The pings that all members have received.
    pings: u64,
}

impl Reading {
    pub(crate) fn now(cpu: Duration, seen: Seen) -> Self {
        Self { at: Instant::now(), cpu, pings: seen.pings }
    }

    /// The phase from this moment to another one.
    pub(crate) fn until(self, end: Self) -> Phase {
        Phase { time: end.at - self.at, cpu: end.cpu - self.cpu, pings: end.pings - self.pings }
    }
}

/// The times of one phase, and the heartbeats in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    time: Duration,
    cpu: Duration,
    pings: u64,
}

impl Phase {
    /// The CPU time for one of so many, in µs, without that of heartbeats, which take `heartbeat`
    /// each.
    fn each(self, count: u64, heartbeat: f64) -> f64 {
        let cpu = self.cpu.as_secs_f64() * 1e6 - self.pings as f64 * heartbeat;
        if count == 0 { 0.0 } else { (cpu / count as f64).max(0.0) }
    }
}

/// All phases in their order.
pub(crate) struct Phases {
    pub(crate) opening: Phase,
    pub(crate) idle: Phase,
    pub(crate) broadcasts: Phase,
    pub(crate) room: Phase,
    pub(crate) drain: Phase,
}

/// Memory for each connection, in bytes.
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) allocated: Option<f64>,
    pub(crate) kernel: Option<f64>,
}

impl Phases {
    /// The figures of so many connections. `expected` is the number of deliveries.
    pub(crate) fn figures(self, connections: usize, memory: Memory, seen: Seen, expected: u64) -> Figures {
        let Self { opening, idle, broadcasts, room, drain } = self;
        let heartbeat = idle.each(idle.pings, 0.0);
        let opened = (connections - WARM_UP) as u64;
        let all = connections as u64;
        let (to_all, to_room) = (BROADCASTS.clamp_to(connections), BROADCASTS.clamp_to(members(connections)));
        Figures {
            resident: memory.resident,
            allocated: memory.allocated,
            kernel: memory.kernel,
            opened_per_second: opened as f64 / opening.time.as_secs_f64(),
            open_cpu: opening.each(opened, heartbeat),
            idle_share: idle.cpu.as_secs_f64() / idle.time.as_secs_f64(),
            heartbeat_cpu: heartbeat,
            delivery_cpu: broadcasts.each(u64::from(to_all) * all, heartbeat),
            room_cpu: room.each(u64::from(to_room) * members(connections) as u64, heartbeat),
            broadcast_seconds: broadcasts.time.as_secs_f64() / f64::from(to_all),
            lost: expected.abs_diff(seen.messages) as f64,
            drain_seconds: drain.time.as_secs_f64(),
            close_cpu: drain.each(all, heartbeat),
            unclosed: all.abs_diff(seen.closes) as f64,
        }
    }
}

/// The members of the room among so many connections.
pub(crate) fn members(connections: usize) -> usize {
    connections.min(ROOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_of_a_phase_are_not_counted_as_its_work() {
        let begun = Instant::now();
        let reading = |seconds, millis, pings| Reading {
            at: begun + Duration::from_secs(seconds),
            cpu: Duration::from_millis(millis),
            pings,
        };
        let idle = reading(0, 100, 50).until(reading(8, 300, 100_050));
        assert_eq!(idle.each(idle.pings, 0.0), 2.0);
        let work = reading(8, 300, 100_050).until(reading(9, 700, 150_050));
        assert_eq!(work.each(100_000, 2.0), 3.0);
        assert_eq!(work.each(0, 2.0), 0.0);
    }
}
