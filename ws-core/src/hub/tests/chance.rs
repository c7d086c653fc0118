//! The same guarantees with publishers, and with members whose steps are random.
//!
//! Threads rarely interleave within a push, so ten extra members in each room interrupt each push
//! when it reaches them. loom would test every interleaving, but it would have to replace every
//! lock and channel of a connection.

use std::{
    collections::HashSet,
    task::{Wake, Waker},
};

use super::*;

const SENDERS: u64 = 3;
const ROOMS: usize = 3;
const MEMBERS: u64 = 3;
/// The number of connections that each member opens, one after another.
const CONNECTIONS: usize = 40;
/// The number of extra members in each room, each of which interrupts a push.
const CROWD: usize = 10;

/// Limits for members whose outbox is never read.
pub(super) fn short_outbox() -> Limits {
    Limits {
        outbox_messages: 1,
        outbox_bytes: usize::MAX,
        overflow: crate::config::Overflow::DropOldest,
        ..Limits::default()
    }
}

/// A waker in the place of a sleeping session task. A push wakes it, and it then lets other threads
/// run.
struct Interrupt(Connection);

impl Interrupt {
    fn await_push(self: Arc<Self>) {
        let connection = self.0.clone();
        assert!(connection.outbox().register(&Waker::from(self), false));
    }
}

impl Wake for Interrupt {
    fn wake(self: Arc<Self>) {
        self.await_push();
        thread::yield_now();
    }
}

/// A random number generator with a fixed seed. The interleaving of the threads still varies.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// The numbers of pushes that a sender has begun, and that are done.
#[derive(Default)]
struct Sender {
    begun: AtomicU64,
    done: AtomicU64,
}

/// Returns the room to which a sender pushes this message.
fn room_of(sender: u64, number: u64) -> usize {
    Chance(sender << 32 | number).below(ROOMS)
}

/// A member's stay in a room: for each sender, the number of pushes that had begun before it. These
/// pushes need not arrive.
type Stay = [u64; SENDERS as usize];

struct Member<'a> {
    connection: Connection,
    /// `None` once the connection has ended.
    entry: Option<Entry>,
    senders: &'a [Sender],
    stays: [Option<Stay>; ROOMS],
    /// All messages that have reached this connection, by sender and number.
    log: HashSet<(u64, u64)>,
    /// The last number that arrived from each sender.
    last: [Option<u64>; SENDERS as usize],
}

impl<'a> Member<'a> {
    fn enter(live: &Arc<Live>, senders: &'a [Sender]) -> Self {
        let entry = enter(live);
        let connection = entry.connection().clone();
        let (stays, log, last) = ([None; ROOMS], HashSet::new(), [None; SENDERS as usize]);
        Self { connection, entry: Some(entry), senders, stays, log, last }
    }

    fn now(&self, which: impl Fn(&Sender) -> &AtomicU64) -> Stay {
        std::array::from_fn(|at| which(&self.senders[at]).load(Ordering::SeqCst))
    }

    /// Reads the outbox. `may` has the rooms from which messages may have arrived.
    fn read(&mut self, may: [bool; ROOMS]) {
        for text in received(&self.connection) {
            let (sender, number) = text.split_once('-').unwrap();
            let (sender, number) = (sender.parse().unwrap(), number.parse().unwrap());
            assert!(may[room_of(sender, number)], "{text} of a room that was left");
            let last = self.last[sender as usize].replace(number);
            assert!(last < Some(number), "{text} behind {last:?}");
            self.log.insert((sender, number));
        }
    }

    fn is_in(&self) -> [bool; ROOMS] {
        self.stays.map(|stay| stay.is_some())
    }

    fn join(&mut self, room: usize) {
        self.read(self.is_in());
        self.connection.join(room.to_string()).unwrap();
        self.stays[room] = Some(self.now(|sender| &sender.begun));
    }

    fn leave(&mut self, room: usize) {
        let until = self.now(|sender| &sender.done);
        assert!(self.connection.leave(room.to_string()));
        self.read(self.is_in());
        self.missed_nothing(room, until);
    }

    /// Checks that every push that began after the join and was done before the leave has arrived.
    fn missed_nothing(&mut self, room: usize, until: Stay) {
        let from = self.stays[room].take().unwrap();
        for (sender, (from, until)) in (0..).zip(from.into_iter().zip(until)) {
            for number in (from..until).filter(|number| room_of(sender, *number) == room) {
                assert!(self.log.contains(&(sender, number)), "{sender}-{number} was missed");
            }
        }
    }

    /// Ends the connection, which leaves every room.
    fn end(&mut self) {
        let until = self.now(|sender| &sender.done);
        self.entry = None;
        self.read(self.is_in());
        for room in 0..ROOMS {
            if self.stays[room].is_some() {
                self.missed_nothing(room, until);
            }
        }
    }

    /// Waits until each sender has pushed something.
    fn wait(&self) {
        let before = self.now(|sender| &sender.begun);
        while self.now(|sender| &sender.done).iter().zip(before).any(|(done, before)| *done <= before) {
            thread::yield_now();
        }
    }

    /// Takes random steps, then ends the connection.
    fn run(mut self, chance: &mut Chance) {
        for _ in 0..chance.below(40) {
            let room = chance.below(ROOMS);
            match (chance.below(4), self.stays[room]) {
                (0, _) => self.wait(),
                (1, _) => self.read(self.is_in()),
                (_, None) => self.join(room),
                (_, Some(_)) => self.leave(room),
            }
        }
        self.end();
        self.wait();
        self.read([false; ROOMS]);
    }
}

#[test]
fn in_random_schedules_no_message_is_late_or_missing_or_out_of_order() {
    let live = Arc::new(Live::default());
    let senders: [Sender; SENDERS as usize] = Default::default();
    let stop = AtomicBool::new(false);
    let crowd: Vec<_> = (0..CROWD).map(|_| live.enter(connection(&live, &short_outbox()))).collect();
    for one in &crowd {
        (0..ROOMS).for_each(|room| assert_eq!(one.connection().join(room.to_string()), Ok(true)));
        Arc::new(Interrupt(one.connection().clone())).await_push();
    }
    thread::scope(|scope| {
        for (sender, counts) in (0..).zip(&senders) {
            let (connection, stop) = (crowd[0].connection(), &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let number = counts.begun.fetch_add(1, Ordering::SeqCst);
                    connection.room(room_of(sender, number).to_string()).push(text(sender, number));
                    counts.done.store(number + 1, Ordering::SeqCst);
                    thread::yield_now();
                }
            });
        }
        let members = (0..MEMBERS).map(|seed| {
            let (live, senders) = (&live, &senders);
            scope.spawn(move || {
                let mut chance = Chance(seed);
                for _ in 0..CONNECTIONS {
                    Member::enter(live, senders).run(&mut chance);
                }
            })
        });
        let members: Vec<_> = members.collect();
        let ends: Vec<_> = members.into_iter().map(|member| member.join()).collect();
        // Stop the senders also if a member panicked.
        stop.store(true, Ordering::SeqCst);
        assert!(ends.iter().all(Result::is_ok), "a member found a fault");
    });
    for one in crowd {
        // Removes the waker, which holds a handle of the connection.
        one.connection().outbox().register(Waker::noop(), false);
    }
    assert_eq!((live.groups().len(), live.len()), (0, 0), "empty rooms are removed");
}
