//! What anyone wants to send, on its way to the one task that owns the socket.
//!
//! A mutex around a queue of encoded frames, held for a copy at the most and never across an await. It is bounded by
//! messages and by bytes, and it owns nothing while empty and its task sleeps. Pings and the request to close pass the queue.
//!
//! The task is woken only while it sleeps: a callback that pushes from inside it wakes nobody.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{CloseFrame, CloseReason};
use crate::{
    config::{Limits, Overflow},
    error::SendError,
    fixed,
    message::Message,
    socket::OutQueue,
};

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) overflow: Overflow,
}

impl From<&Limits> for OutboxLimits {
    fn from(limits: &Limits) -> Self {
        Self { messages: limits.outbox_messages, bytes: limits.outbox_bytes, overflow: limits.overflow }
    }
}

/// What ends a connection from this side.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Sends what waits, then this close frame.
    Close { frame: CloseFrame, reason: CloseReason },
    /// Gives up what waits, then sends this close frame.
    CloseNow { frame: CloseFrame, reason: CloseReason },
    /// Drops the socket and the running callback.
    Cut,
}

/// What [`Outbox::collect`] found.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) stop: Option<Stop>,
    /// Whether messages are on their way now.
    pub(crate) has_messages: bool,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    waiting: Mutex<Waiting>,
    /// Told whenever there is room again, or never will be.
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: OutQueue,
    messages: usize,
    /// Their sizes as frames, under `drop_oldest` only.
    #[expect(
        clippy::box_collection,
        reason = "a pointer takes a third of the room in every connection that idles"
    )]
    sizes: Option<Box<VecDeque<usize>>>,
    /// Messages that were dropped because there was no room.
    dropped: u64,
    /// What passes the queue.
    urgent: Option<Box<Urgent>>,
    /// Nothing more is taken.
    shut: bool,
    /// The task has something to look at that is not in here.
    nudged: bool,
    /// Whether the task has to be woken to see what is here.
    asleep: bool,
    /// The task's, from its first sleep on.
    waker: Option<Waker>,
}

/// What goes ahead of the messages: seldom, so it takes no room otherwise.
#[derive(Debug, Default)]
struct Urgent {
    pings: OutQueue,
    pings_waiting: usize,
    stop: Option<Stop>,
}

impl Waiting {
    fn urgent(&mut self) -> &mut Urgent {
        self.urgent.get_or_insert_default()
    }

    /// Gives up the message that has waited longest. What the task has collected already is out of reach, so no frame is ever cut.
    fn drop_oldest(&mut self) {
        let size = self.sizes.as_mut().and_then(|sizes| sizes.pop_front()).unwrap_or(self.queue.len());
        self.queue.drop_front(size);
        self.messages = self.messages.saturating_sub(1);
        self.dropped += 1;
    }

    /// The messages are gone to the task, or given up.
    fn forget_messages(&mut self) {
        self.queue.clear();
        self.messages = 0;
        self.sizes = None;
    }
}

/// Wakes the task if it sleeps, once the lock is free.
fn unlock_and_wake(mut waiting: MutexGuard<'_, Waiting>) {
    let waker = if std::mem::take(&mut waiting.asleep) { waiting.waker.take() } else { None };
    drop(waiting);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self { limits, waiting: Mutex::default(), room: Notify::new() }
    }

    /// Queues a message; what a full outbox does about it is its overflow policy.
    pub(crate) fn push(&self, message: Message) -> Result<(), SendError> {
        let waiting = self.make_room(message.len())?;
        self.enqueue(waiting, |queue| queue.message(message));
        Ok(())
    }

    /// The same for a frame that is encoded already.
    pub(crate) fn push_frame(&self, frame: &Bytes) -> Result<(), SendError> {
        let waiting = self.make_room(frame.len())?;
        self.enqueue(waiting, |queue| queue.shared(frame));
        Ok(())
    }

    /// Room for so many bytes, or what the overflow policy says.
    fn make_room(&self, len: usize) -> Result<MutexGuard<'_, Waiting>, SendError> {
        let mut waiting = self.lock();
        if waiting.shut {
            return Err(SendError::Closed);
        }
        while !self.has_room(&waiting, len) {
            match self.limits.overflow {
                Overflow::Disconnect => {
                    let frame = CloseFrame::new(1013, "too slow");
                    self.stop_locked(waiting, Stop::CloseNow { frame, reason: CloseReason::Overflow });
                    return Err(SendError::Full);
                }
                Overflow::DropNewest => {
                    waiting.dropped += 1;
                    return Err(SendError::Full);
                }
                Overflow::DropOldest => waiting.drop_oldest(),
            }
        }
        Ok(waiting)
    }

    /// Messages that were dropped because there was no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Queues a message once there is room, whatever the policy.
    pub(crate) async fn send(&self, mut message: Message) -> Result<(), SendError> {
        // Most of the time there is room, and nothing to be told of.
        while let Some(refused) = self.try_send(message)? {
            let room = self.room.notified();
            let Some(refused) = self.try_send(refused)? else { break };
            // A permit of `notify_waiters` counts from the creation of `room`, so nothing is missed in between.
            room.await;
            message = refused;
        }
        Ok(())
    }

    /// The message comes back if there is no room.
    fn try_send(&self, message: Message) -> Result<Option<Message>, SendError> {
        let waiting = self.lock();
        if waiting.shut {
            return Err(SendError::Closed);
        }
        if !self.has_room(&waiting, message.len()) {
            return Ok(Some(message));
        }
        self.enqueue(waiting, |queue| queue.message(message));
        Ok(None)
    }

    /// Queues a ping ahead of the messages.
    pub(crate) fn ping(&self, payload: Bytes) -> Result<(), SendError> {
        if payload.len() > fixed::CONTROL_PAYLOAD_BYTES {
            return Err(SendError::ControlTooLong { size: payload.len() });
        }
        let mut waiting = self.lock();
        if waiting.shut {
            return Err(SendError::Closed);
        }
        let urgent = waiting.urgent();
        if urgent.pings_waiting == fixed::WAITING_PINGS {
            return Err(SendError::Full);
        }
        urgent.pings.ping(payload);
        urgent.pings_waiting += 1;
        unlock_and_wake(waiting);
        Ok(())
    }

    /// Asks the task to end the connection. The first one counts; only a cut passes an earlier request.
    pub(crate) fn stop(&self, stop: Stop) -> Result<(), SendError> {
        let mut waiting = self.lock();
        if matches!(stop, Stop::Cut) {
            waiting.urgent().stop = Some(Stop::Cut);
            waiting.shut = true;
            unlock_and_wake(waiting);
            self.room.notify_waiters();
            return Ok(());
        }
        if waiting.shut {
            return Err(SendError::Closed);
        }
        self.stop_locked(waiting, stop);
        Ok(())
    }

    /// Ends the connection because the server stops (1001), unless it is ending already.
    pub(crate) fn shut_down(&self) {
        let frame = CloseFrame::new(1001, "the server is stopping");
        let _ = self.stop(Stop::Close { frame, reason: CloseReason::Shutdown });
    }

    /// Has the task look around: at what is not in here.
    #[cfg(feature = "jwt")]
    pub(crate) fn nudge(&self) {
        let mut waiting = self.lock();
        waiting.nudged = true;
        unlock_and_wake(waiting);
    }

    /// Takes nothing more, because the connection ended in another way. What waits is kept.
    pub(crate) fn shut(&self) {
        self.lock().shut = true;
        self.room.notify_waiters();
    }

    /// Waits until nothing is taken any more.
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.room.notified();
            if !self.is_open() {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.lock().shut
    }

    /// For the task: moves what waits behind what is being written already, pings first. `with_messages` is false while
    /// the peer is too slow to be given more.
    pub(crate) fn collect(&self, out: &mut OutQueue, with_messages: bool) -> Collected {
        let mut waiting = self.lock();
        waiting.asleep = false;
        let stop = waiting.urgent.take().and_then(|mut urgent| {
            out.append(&mut urgent.pings);
            urgent.stop
        });
        if matches!(stop, Some(Stop::CloseNow { .. } | Stop::Cut)) {
            waiting.forget_messages();
        }
        let has_messages = waiting.messages > 0 && (with_messages || stop.is_some());
        if has_messages {
            // Its buffer stays for the next message, until the task sleeps.
            out.append(&mut waiting.queue);
            waiting.messages = 0;
            waiting.sizes = None;
            drop(waiting);
            self.room.notify_waiters();
        }
        Collected { stop, has_messages }
    }

    /// For the task, before it sleeps: whom to wake. False if there is something to collect already.
    pub(crate) fn register(&self, waker: &Waker, with_messages: bool) -> bool {
        let mut waiting = self.lock();
        if std::mem::take(&mut waiting.nudged) {
            return false;
        }
        if waiting.urgent.is_some() || (with_messages && waiting.messages > 0) {
            return false;
        }
        match &mut waiting.waker {
            Some(registered) => registered.clone_from(waker),
            None => waiting.waker = Some(waker.clone()),
        }
        waiting.asleep = true;
        if waiting.messages == 0 {
            waiting.queue.clear();
        }
        true
    }

    /// An empty outbox has room for one message of any size.
    fn has_room(&self, waiting: &Waiting, len: usize) -> bool {
        waiting.messages == 0
            || (waiting.messages < self.limits.messages
                && waiting.queue.len().saturating_add(len) <= self.limits.bytes)
    }

    fn enqueue(&self, mut waiting: MutexGuard<'_, Waiting>, append: impl FnOnce(&mut OutQueue)) {
        let before = waiting.queue.len();
        append(&mut waiting.queue);
        waiting.messages += 1;
        if self.limits.overflow == Overflow::DropOldest {
            let size = waiting.queue.len() - before;
            waiting.sizes.get_or_insert_default().push_back(size);
        }
        unlock_and_wake(waiting);
    }

    fn stop_locked(&self, mut waiting: MutexGuard<'_, Waiting>, stop: Stop) {
        waiting.urgent().stop = Some(stop);
        waiting.shut = true;
        unlock_and_wake(waiting);
        self.room.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing below panics half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        with(messages, bytes, Overflow::Disconnect)
    }

    fn with(messages: usize, bytes: usize, overflow: Overflow) -> Outbox {
        Outbox::new(OutboxLimits { messages, bytes, overflow })
    }

    #[test]
    fn drop_newest_refuses_what_has_no_room_and_lives() {
        let outbox = with(2, 1000, Overflow::DropNewest);
        for (text, taken) in [("a", true), ("b", true), ("c", false), ("d", false)] {
            assert_eq!(outbox.push(text.into()).is_ok(), taken, "{text}");
        }
        assert_eq!((outbox.dropped(), outbox.is_open()), (2, true));
        let mut out = OutQueue::default();
        assert!(outbox.collect(&mut out, true).stop.is_none());
        assert_eq!(out.len(), 6);
        outbox.push("e".into()).unwrap();
    }

    #[test]
    fn drop_oldest_gives_up_whole_messages_from_the_front() {
        let outbox = with(100, 12, Overflow::DropOldest);
        for text in ["aaaa", "bb", "cc", "dddd"] {
            outbox.push(text.into()).unwrap();
        }
        assert_eq!(outbox.dropped(), 1);
        let mut expected = OutQueue::default();
        for text in ["bb", "cc", "dddd"] {
            expected.message(text.into());
        }
        let mut out = OutQueue::default();
        outbox.collect(&mut out, true);
        assert_eq!(format!("{out:?}"), format!("{expected:?}"));
        outbox.push(vec![0; 1000].into()).unwrap();
        assert_eq!(outbox.dropped(), 1, "an empty outbox takes one message of any size");
    }

    #[test]
    fn it_is_full_by_messages_and_by_bytes_and_says_1013() {
        let by_messages = outbox(2, 1000);
        by_messages.push("a".into()).unwrap();
        by_messages.push("b".into()).unwrap();
        assert!(matches!(by_messages.push("c".into()), Err(SendError::Full)));
        assert!(matches!(by_messages.push("d".into()), Err(SendError::Closed)));
        let stop = by_messages.collect(&mut OutQueue::default(), true).stop;
        let Some(Stop::CloseNow { frame, reason: CloseReason::Overflow }) = stop else { panic!("{stop:?}") };
        assert_eq!(frame.code, 1013);

        let by_bytes = outbox(100, 10);
        by_bytes.push("12345".into()).unwrap();
        assert!(matches!(by_bytes.push("67890".into()), Err(SendError::Full)), "headers count");
    }

    #[test]
    fn an_empty_outbox_takes_one_message_of_any_size() {
        let outbox = outbox(2, 10);
        outbox.push(vec![0; 1000].into()).unwrap();
        assert!(matches!(outbox.push("x".into()), Err(SendError::Full)));
    }

    #[test]
    fn pings_pass_the_messages_and_are_bounded() {
        let outbox = outbox(2, 10);
        outbox.push("x".into()).unwrap();
        for _ in 0..fixed::WAITING_PINGS {
            outbox.ping(Bytes::new()).unwrap();
        }
        assert!(matches!(outbox.ping(Bytes::new()), Err(SendError::Full)));
        let long = Bytes::from(vec![0; 126]);
        assert!(matches!(outbox.ping(long), Err(SendError::ControlTooLong { size: 126 })));
        let mut out = OutQueue::default();
        assert!(outbox.collect(&mut out, true).stop.is_none());
        assert_eq!(out.len(), fixed::WAITING_PINGS * 2 + 3);
    }

    #[tokio::test]
    async fn send_waits_for_room_and_hears_of_the_end() {
        let outbox = outbox(1, 10);
        outbox.push("a".into()).unwrap();
        let mut second = Box::pin(outbox.send("b".into()));
        let waits = tokio::time::timeout(std::time::Duration::from_millis(1), &mut second).await;
        assert!(waits.is_err());
        outbox.collect(&mut OutQueue::default(), true);
        second.await.unwrap();

        let third = outbox.send("c".into());
        let (sent, ()) = tokio::join!(third, async { outbox.shut() });
        assert!(matches!(sent, Err(SendError::Closed)));
    }

    #[test]
    fn the_first_request_to_close_counts_and_a_cut_passes_it() {
        let outbox = outbox(1, 10);
        let close = |code| Stop::Close {
            frame: CloseFrame::new(code, ""),
            reason: CloseReason::Local { code, reason: "".into() },
        };
        outbox.stop(close(1000)).unwrap();
        assert!(matches!(outbox.stop(close(1001)), Err(SendError::Closed)));
        outbox.stop(Stop::Cut).unwrap();
        assert!(matches!(outbox.collect(&mut OutQueue::default(), true).stop, Some(Stop::Cut)));
    }
}
