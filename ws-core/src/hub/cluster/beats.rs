//! [`Beats`]: the heartbeats of this node, and which of them came back through the broker.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    ThisNode,
    wire::{Beat, OLDEST_VERSION, Phase, VERSION},
};
use crate::{fixed, sync::Mutex};

/// The heartbeats whose time of sending is known.
const REMEMBERED: usize = 16;

#[derive(Debug)]
pub(super) struct Beats {
    progress: watch::Sender<Progress>,
    times: Mutex<Times>,
    /// Notified when another node wants a heartbeat soon.
    wanted: Notify,
    /// Notified when another node has the same id.
    taken: Notify,
}

/// The progress of a link towards its first echo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    #[default]
    Connected,
    OwnChannels,
    Echoed,
}

#[derive(Debug)]
struct Times {
    sequence: u64,
    last_echo: Instant,
    last_sent: Instant,
    /// The sequence numbers and times of the last heartbeats of this link.
    sent: VecDeque<(u64, Instant)>,
}

impl Beats {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let times = Times { sequence: 0, last_echo: now, last_sent: now, sent: VecDeque::new() };
        Self {
            progress: watch::Sender::default(),
            times: Mutex::new(times),
            wanted: Notify::new(),
            taken: Notify::new(),
        }
    }

    /// Starts the heartbeats of a new link.
    pub(super) fn start(&self) {
        let mut times = self.times.lock();
        times.last_echo = Instant::now();
        times.sent.clear();
        self.progress.send_replace(Progress::Connected);
    }

    /// Returns the number of the next heartbeat, which is sent now.
    pub(super) fn next_sequence(&self) -> u64 {
        let mut times = self.times.lock();
        let now = Instant::now();
        times.sequence += 1;
        times.last_sent = now;
        let sequence = times.sequence;
        times.sent.push_back((sequence, now));
        if times.sent.len() > REMEMBERED {
            times.sent.pop_front();
        }
        sequence
    }

    /// Records that a heartbeat of this link came back. Returns the time that it took.
    pub(super) fn echo(&self, sequence: u64) -> Option<Duration> {
        let mut times = self.times.lock();
        let sent = times.sent.iter().find(|(number, _)| *number == sequence).map(|(_, sent)| *sent)?;
        times.last_echo = Instant::now();
        self.progress.send_replace(Progress::Echoed);
        Some(times.last_echo.duration_since(sent))
    }

    /// The time at which the last heartbeat came back, or at which the link began.
    pub(super) fn last_echo(&self) -> Instant {
        self.times.lock().last_echo
    }

    pub(super) fn own_channels_are_subscribed(&self) {
        self.progress.send_replace(Progress::OwnChannels);
    }

    /// Waits until the own channels are subscribed. A heartbeat that is sent before does not come
    /// back.
    pub(super) async fn own_channels(&self) {
        self.reached(Progress::OwnChannels).await;
    }

    /// Waits for the first heartbeat of this link that comes back.
    pub(super) async fn first_echo(&self) {
        self.reached(Progress::Echoed).await;
    }

    async fn reached(&self, progress: Progress) {
        // This fails only if the sender is dropped, and `self` owns it.
        let _ = self.progress.subscribe().wait_for(|now| *now >= progress).await;
    }

    /// Asks for a heartbeat soon.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Waits until a heartbeat is wanted. Many requests are answered by one heartbeat.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
        let next = self.times.lock().last_sent + fixed::LEAST_BEAT_PAUSE;
        sleep_until(next).await;
    }

    pub(super) fn take_id(&self) {
        self.taken.notify_one();
    }

    /// Waits until another node with the same id is found.
    pub(super) async fn id_is_taken(&self) {
        self.taken.notified().await;
    }
}

/// The next heartbeat of a node.
pub(super) fn beat_message(node: &ThisNode, link: u32, phase: Phase) -> Beat {
    Beat {
        phase,
        link,
        node: node.id(),
        sequence: node.beats.next_sequence(),
        instance: node.instance,
        oldest: OLDEST_VERSION,
        newest: VERSION,
        connections: node.live().map_or(0, |live| live.len() as u64),
        name: node.name(),
    }
}
