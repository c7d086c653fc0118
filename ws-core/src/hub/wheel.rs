//! [`Wheels`]: the timers of sleeping connections, in place of a timer in each connection.
//!
//! A connection sets its alarm to the next time at which its session has something to do, such as a
//! ping. Each runtime has one wheel and one task, which sleeps until the first slot is due and
//! wakes the connections in it. A slot has only sequence numbers: an entry keeps no connection
//! alive, and an entry of a connection that has ended, or has set another alarm, is ignored.
//!
//! Alarms are late by up to [`TICK`], never early. No lock is held while a connection is woken.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::live::Live;
use crate::{connection::Connection, sync::Mutex};

/// Alarms within this time fire together.
const TICK: Duration = Duration::from_millis(16);
/// A later alarm is looked up at this distance, so that entries of ended connections do not
/// accumulate.
const FARTHEST_TICKS: u64 = 60_000 / TICK.as_millis() as u64;
/// The number of alarms that fire before the task yields.
const ALARMS_A_TURN: usize = 128;

/// The alarm of one connection. Only its session sets it.
///
/// The value has 32 bits of the tick at which the alarm fires, and 32 bits of the slot of its valid
/// entry: enough to compare ticks that are less than two years apart. Slot 0 means that no alarm is
/// set.
#[derive(Debug, Default)]
pub(crate) struct Alarm(AtomicU64);

impl Alarm {
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn set(&self, due: u64, slot: u64) {
        self.0.store(pack(due, slot), Ordering::Relaxed);
    }

    /// Looks up the alarm when a slot with an entry for it is due.
    fn check(&self, slot: u64) -> AlarmState {
        let seen = self.0.load(Ordering::Relaxed);
        if seen as u32 != slot as u32 {
            return AlarmState::Stale;
        }
        let left = ((seen >> 32) as u32).wrapping_sub(slot as u32);
        let (next, state) = match left {
            0 => (0, AlarmState::Due),
            left => {
                let later = not_zero(slot + u64::from(left).min(FARTHEST_TICKS));
                (pack(slot + u64::from(left), later), AlarmState::Later(later))
            }
        };
        // The session may set another alarm at the same time.
        let is_set = self.0.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_set { state } else { AlarmState::Stale }
    }
}

/// The state of an alarm whose slot is due.
#[derive(Debug, PartialEq, Eq)]
enum AlarmState {
    /// It fires now, and is no longer set.
    Due,
    /// It fires later. Its entry is now in this slot.
    Later(u64),
    /// Its entry is in another slot, or it is not set.
    Stale,
}

fn pack(due: u64, slot: u64) -> u64 {
    due << 32 | u64::from(slot as u32)
}

/// Returns the tick, or the next one if its lower half means that no alarm is set.
fn not_zero(tick: u64) -> u64 {
    if tick as u32 == 0 { tick + 1 } else { tick }
}

/// The wheels of all runtimes, usually one.
#[derive(Debug, Default)]
pub(super) struct Wheels(Mutex<Vec<Wheel>>);

#[derive(Debug)]
struct Wheel {
    runtime: Id,
    /// The start of the first tick.
    since: Instant,
    /// The sequence numbers of the connections to check, by tick.
    slots: BTreeMap<u64, Vec<u64>>,
    /// The tick for which the task sleeps; 0 while it is awake.
    sleeps_for: u64,
    /// Notified when an earlier slot than that is added.
    earlier: Arc<Notify>,
}

impl Wheel {
    fn new(runtime: Id) -> Self {
        Self {
            runtime,
            since: Instant::now(),
            slots: BTreeMap::new(),
            sleeps_for: 0,
            earlier: Arc::default(),
        }
    }

    /// Returns the first tick that ends at or after this time.
    fn tick(&self, at: Instant) -> u64 {
        let after = at.saturating_duration_since(self.since).as_nanos();
        u64::try_from(after.div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX)
    }

    fn end_of(&self, tick: u64) -> Instant {
        let after = Duration::from_millis(tick.saturating_mul(TICK.as_millis() as u64));
        self.since.checked_add(after).unwrap_or_else(|| Instant::now() + TICK)
    }

    fn add(&mut self, slot: u64, sequence: u64) {
        self.slots.entry(slot).or_default().push(sequence);
        if slot < self.sleeps_for {
            self.earlier.notify_one();
        }
    }
}

/// The next step of a wheel's task.
enum Step {
    /// A slot is due.
    Fire {
        slot: u64,
        entries: Vec<u64>,
    },
    Sleep {
        until: Instant,
        earlier: Arc<Notify>,
    },
    /// The wheel was empty and is removed.
    Over,
}

impl Wheels {
    /// Sets the alarm of a connection whose session runs on the current runtime.
    pub(super) fn set(&self, live: &Arc<Live>, conn: &Connection, at: Instant) {
        let Ok(runtime) = Handle::try_current() else { return };
        let id = runtime.id();
        let mut wheels = self.0.lock();
        let is_new = !wheels.iter().any(|wheel| wheel.runtime == id);
        if is_new {
            wheels.push(Wheel::new(id));
        }
        let Some(wheel) = wheels.iter_mut().find(|wheel| wheel.runtime == id) else { return };
        let now = wheel.tick(Instant::now());
        let due = wheel.tick(at).clamp(now, now + u64::from(u32::MAX / 2));
        let due = not_zero(due);
        let slot = not_zero(due.min(now + FARTHEST_TICKS));
        conn.alarm().set(due, slot);
        wheel.add(slot, conn.id().sequence());
        drop(wheels);
        if is_new {
            runtime.spawn(run(Owner { live: Arc::downgrade(live), runtime: id }));
        }
    }

    fn step(&self, runtime: Id) -> Step {
        let mut wheels = self.0.lock();
        let Some(wheel) = wheels.iter_mut().find(|wheel| wheel.runtime == runtime) else { return Step::Over };
        match wheel.slots.first_key_value() {
            None => {
                wheels.retain(|wheel| wheel.runtime != runtime);
                Step::Over
            }
            Some((&slot, _)) => {
                let until = wheel.end_of(slot);
                if until <= Instant::now() {
                    wheel.sleeps_for = 0;
                    return Step::Fire { slot, entries: wheel.slots.remove(&slot).unwrap_or_default() };
                }
                wheel.sleeps_for = slot;
                Step::Sleep { until, earlier: Arc::clone(&wheel.earlier) }
            }
        }
    }

    fn put_back(&self, runtime: Id, entries: Vec<(u64, u64)>) {
        let mut wheels = self.0.lock();
        if let Some(wheel) = wheels.iter_mut().find(|wheel| wheel.runtime == runtime) {
            entries.into_iter().for_each(|(slot, sequence)| wheel.add(slot, sequence));
        }
    }
}

/// The task's ownership of a wheel. If the runtime drops the task, the wheel is removed, since
/// another runtime may get the same id.
struct Owner {
    live: Weak<Live>,
    runtime: Id,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(live) = self.live.upgrade() {
            live.wheels().0.lock().retain(|wheel| wheel.runtime != self.runtime);
        }
    }
}

async fn run(mut owner: Owner) {
    loop {
        let Some(live) = owner.live.upgrade() else { return };
        match live.wheels().step(owner.runtime) {
            Step::Fire { slot, entries } => fire(&live, owner.runtime, slot, &entries).await,
            Step::Sleep { until, earlier } => {
                // The wheel must not keep the connections of a stopped application.
                drop(live);
                tokio::select! {
                    () = sleep_until(until) => {}
                    () = earlier.notified() => {}
                }
            }
            Step::Over => {
                // A new wheel of this runtime may exist already.
                owner.live = Weak::new();
                return;
            }
        }
    }
}

/// Wakes the connections whose alarms are due. Puts the other entries into later slots.
async fn fire(live: &Live, runtime: Id, slot: u64, entries: &[u64]) {
    for (number, turn) in entries.chunks(ALARMS_A_TURN).enumerate() {
        if number > 0 {
            tokio::task::yield_now().await;
        }
        let mut later = Vec::new();
        for sequence in turn {
            let Some(conn) = live.of_sequence(*sequence) else { continue };
            match conn.alarm().check(slot) {
                AlarmState::Due => conn.outbox().nudge(),
                AlarmState::Later(slot) => later.push((slot, *sequence)),
                AlarmState::Stale => {}
            }
        }
        if !later.is_empty() {
            live.wheels().put_back(runtime, later);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::AtomicUsize,
        task::{Poll, Wake, Waker},
    };

    use tokio::time::{advance, timeout};

    use super::*;
    use crate::{
        hub::{Entry, tests::enter},
        socket::OutQueue,
    };

    /// Waits until the session of the connection would have to check its timers.
    async fn rings(conn: &Connection) {
        poll_fn(|cx| {
            if conn.outbox().collect(&mut OutQueue::default(), usize::MAX, None).is_nudged {
                return Poll::Ready(());
            }
            assert!(conn.outbox().register(cx.waker(), true));
            Poll::Pending
        })
        .await;
    }

    /// Counts how often a sleeping session is woken.
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_empty(live: &Live) -> bool {
        live.wheels().0.lock().is_empty()
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_fires_within_a_tick_and_never_early() {
        let live = Arc::new(Live::default());
        let entry = enter(&live);
        let conn = entry.connection();
        for millis in [0, 1, 15, 16, 17, 1000, 25_000, 59_999, 60_000, 60_017, 300_000, 86_400_000] {
            let (start, after) = (Instant::now(), Duration::from_millis(millis));
            live.set_alarm(conn, start + after);
            rings(conn).await;
            let late = start.elapsed().checked_sub(after).expect("not early");
            assert!(late <= TICK + Duration::from_millis(1), "{millis} ms: {late:?} late");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_woken_once_for_the_last_alarm_that_it_has_set() {
        let live = Arc::new(Live::default());
        let entry = enter(&live);
        let conn = entry.connection();
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let check = async |seconds: [Option<u64>; 2], expected: [usize; 3]| {
            let start = Instant::now();
            for at in seconds {
                match at {
                    Some(at) => live.set_alarm(conn, start + Duration::from_secs(at)),
                    None => conn.alarm().clear(),
                }
            }
            for (minutes, expected) in [(0, expected[0]), (2, expected[1]), (4, expected[2])] {
                tokio::time::sleep_until(start + Duration::from_secs(minutes * 60 + 15)).await;
                assert_eq!(woken.0.swap(0, Ordering::Relaxed), expected, "{seconds:?}: {minutes} minutes");
                conn.outbox().collect(&mut OutQueue::default(), usize::MAX, None);
                assert!(conn.outbox().register(&Waker::from(Arc::clone(&woken)), true));
            }
        };
        assert!(conn.outbox().register(&Waker::from(Arc::clone(&woken)), true));
        check([Some(10), Some(5)], [1, 0, 0]).await;
        check([Some(5), Some(10)], [1, 0, 0]).await;
        check([Some(5), Some(100)], [0, 1, 0]).await;
        check([Some(200), Some(5)], [1, 0, 0]).await;
        check([Some(5), Some(200)], [0, 0, 1]).await;
        check([Some(5), None], [0, 0, 0]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn entries_of_ended_connections_and_empty_wheels_are_forgotten() {
        let live = Arc::new(Live::default());
        let entries: Vec<Entry> = (0..1000).map(|_| enter(&live)).collect();
        for entry in &entries {
            live.set_alarm(entry.connection(), Instant::now() + Duration::from_secs(1_000_000));
        }
        advance(Duration::from_secs(61)).await;
        assert!(!is_empty(&live));
        drop(entries);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(is_empty(&live));
        assert_eq!(Arc::strong_count(&live), 1);

        // It begins again.
        let entry = enter(&live);
        live.set_alarm(entry.connection(), Instant::now());
        timeout(Duration::from_secs(1), rings(entry.connection())).await.unwrap();
    }

    #[test]
    fn a_wheel_ends_with_its_runtime_and_others_continue() {
        let live = Arc::new(Live::default());
        let (first, second) = (enter(&live), enter(&live));
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one, other) = (runtime(), runtime());
        one.block_on(async { live.set_alarm(first.connection(), Instant::now() + TICK * 1000) });
        other.block_on(async { live.set_alarm(second.connection(), Instant::now() + TICK) });
        drop(one);
        assert_eq!(live.wheels().0.lock().len(), 1);
        other.block_on(async {
            timeout(Duration::from_secs(5), rings(second.connection())).await.unwrap();
        });
        drop(other);
        assert!(is_empty(&live));
    }

    #[test]
    fn alarms_work_for_years_of_uptime() {
        let start = u64::from(u32::MAX) - 5;
        for (due, slot) in [(start, start), (start + 3, start + 3), (start + 100, start + 100)] {
            let alarm = Alarm::default();
            alarm.set(due, slot);
            assert_eq!(alarm.check(slot - 1), AlarmState::Stale);
            assert_eq!(alarm.check(slot), AlarmState::Due, "{due}");
            assert_eq!(alarm.check(slot), AlarmState::Stale, "once");
        }
        let alarm = Alarm::default();
        alarm.set(start + 2 * FARTHEST_TICKS, start);
        assert_eq!(alarm.check(start), AlarmState::Later(start + FARTHEST_TICKS));
        assert_eq!(alarm.check(start), AlarmState::Stale);
        assert_eq!(alarm.check(start + FARTHEST_TICKS), AlarmState::Later(start + 2 * FARTHEST_TICKS));
        assert_eq!(alarm.check(start + 2 * FARTHEST_TICKS), AlarmState::Due);
        assert_eq!(not_zero(1 << 32), (1 << 32) + 1);
    }
}
