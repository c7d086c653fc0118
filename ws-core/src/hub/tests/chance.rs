//! The promises again where nobody knows who does what when: publishers, and members that do what chance says.
//!
//! Threads seldom meet in the middle of a push by themselves, so each push is interrupted at the turn of ten others. loom
//! would meet them everywhere, but it would have to replace every lock and channel that a connection consists of.

use std::{
    collections::HashSet,
    task::{Wake, Waker},
};

use super::*;

const SENDERS: u64 = 3;
const ROOMS: usize = 3;
const MEMBERS: u64 = 3;
/// Connections that each member has, one after the other.
const LIVES: usize = 40;
/// Others in each room, at whose turn a push is interrupted.
const CROWD: usize = 10;

/// Nobody reads what they get.
pub(super) fn short_outbox() -> Limits {
    Limits {
        outbox_messages: 1,
        outbox_bytes: usize::MAX,
        overflow: crate::config::Overflow::DropOldest,
        ..Limits::default()
    }
}

/// In the place of a sleeping task: being woken in the middle of a push, it lets the other threads run.
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

/// Chance that is the same each time; what the threads make of it is not.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// What a sender has begun to push, and what it has pushed.
#[derive(Default)]
struct Sender {
    begun: AtomicU64,
    done: AtomicU64,
}

/// Which room a sender's message goes to.
fn room_of(sender: u64, number: u64) -> usize {
    Chance(sender << 32 | number).below(ROOMS)
}

/// A member's stay in a room: what had begun before it, by sender, is none of its business.
type Stay = [u64; SENDERS as usize];

struct Member<'a> {
    connection: Connection,
    /// None once it has ended.
    entry: Option<Entry>,
    senders: &'a [Sender],
    stays: [Option<Stay>; ROOMS],
    /// All that ever reached this connection, by sender and number.
    log: HashSet<(u64, u64)>,
    /// The last number of each sender.
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

    /// Reads what came; `may` says from which rooms something may have come.
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

    /// Everything that was begun after its join and done before its leave has come.
    fn missed_nothing(&mut self, room: usize, until: Stay) {
        let from = self.stays[room].take().unwrap();
        for (sender, (from, until)) in (0..).zip(from.into_iter().zip(until)) {
            for number in (from..until).filter(|number| room_of(sender, *number) == room) {
                assert!(self.log.contains(&(sender, number)), "{sender}-{number} was missed");
            }
        }
    }

    /// The end of the connection leaves every room.
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

    /// Lets the senders push something.
    fn wait(&self) {
        let before = self.now(|sender| &sender.begun);
        while self.now(|sender| &sender.done).iter().zip(before).any(|(done, before)| *done <= before) {
            thread::yield_now();
        }
    }

    /// A life of this connection, as chance will have it.
    fn live(mut self, chance: &mut Chance) {
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
fn whatever_chance_does_nothing_comes_late_nothing_is_missed_and_each_sender_is_in_order() {
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
                for _ in 0..LIVES {
                    Member::enter(live, senders).live(&mut chance);
                }
            })
        });
        let members: Vec<_> = members.collect();
        let ends: Vec<_> = members.into_iter().map(|member| member.join()).collect();
        // The senders stop whatever the members found.
        stop.store(true, Ordering::SeqCst);
        assert!(ends.iter().all(Result::is_ok), "a member found a fault");
    });
    for one in crowd {
        // It holds its own waker otherwise.
        one.connection().outbox().register(Waker::noop(), false);
    }
    assert_eq!((live.groups().len(), live.len()), (0, 0), "rooms vanish when they are empty");
}
