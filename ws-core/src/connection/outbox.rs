//! [`Outbox`]: the bounded queue of frames between the senders and the session task that owns the
//! socket.
//!
//! Senders encode into the queue; the session task collects from it. The queue is limited by
//! messages and by bytes. Pings and the request to close go ahead of it. The outbox owns no heap
//! memory while it is empty and the task sleeps.
//!
//! The mutex is held for one copy at most and never across an await. The task is woken only while
//! it sleeps, so a push from a callback, which runs on that task, needs no wake-up. While the task
//! has input to read it does not collect, unless something in the outbox cannot wait.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Waker,
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{Direction, Tap};
use crate::{
    config::{Limits, Overflow},
    fixed,
    socket::{OutQueue, SharedFormat, SharedFrame},
    sync::{Mutex, MutexGuard},
    telemetry::{MessageKind, RouteCounters, Tally},
    wire::{CloseFrame, CloseReason, ConnectionId, Message, SendError},
};

/// With this many waiting messages or bytes, the task collects before it reads another message.
const UNCOLLECTED_MESSAGES: usize = 32;
const UNCOLLECTED_BYTES: usize = 16 << 10;

/// A request from this side to end the connection.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Sends the queued messages, then this close frame.
    Close { frame: CloseFrame, reason: CloseReason },
    /// Drops the queued messages, then sends this close frame.
    CloseNow { frame: CloseFrame, reason: CloseReason },
    /// Drops the socket and the running callback.
    Cut,
}

/// The result of [`Outbox::collect`].
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) stop: Option<Stop>,
    /// The messages that were moved to the output.
    pub(crate) messages: Tally,
    /// Whether there was a [nudge](Outbox::nudge).
    pub(crate) is_nudged: bool,
    /// Whether the task's waker was registered.
    pub(crate) is_registered: bool,
}

// The order keeps together the fields of a delivery, see `Shared`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Outbox {
    /// The limits of the route, which has the limits of the queue.
    limits: Arc<Limits>,
    /// The counters of the route.
    counters: Arc<RouteCounters>,
    /// Notified when room becomes free, and when the connection ends. Made for the first task that
    /// waits for one of them. It must be made before that task checks its condition.
    room: OnceLock<Box<Notify>>,
    /// The format in which the connection accepts a message that is compressed once for many.
    shared_format: Option<SharedFormat>,
    /// How often the connection has left a group. It is written under the lock.
    departures: AtomicU32,
    waiting: Mutex<Waiting>,
    /// Whether the task must collect before it reads or handles another message. It is written
    /// under the lock.
    is_urgent: AtomicBool,
    /// The id of the connection that owns the outbox.
    id: ConnectionId,
    tap: Tap,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: OutQueue,
    /// The messages in the queue.
    messages: Tally,
    /// Messages that were dropped because there was no room.
    dropped: u64,
    /// Frames and requests that go ahead of the queue.
    urgent: Option<Box<Urgent>>,
    /// Whether the outbox refuses everything from now on.
    is_shut: bool,
    /// Whether the peer has closed its side. Replies to its earlier messages are still accepted.
    peer_has_ended: bool,
    /// Whether the task must run a turn for a change outside the outbox.
    is_nudged: bool,
    wake_for: WakeFor,
    /// The waker of the session task. `None` before its first sleep.
    waker: Option<Waker>,
}

/// The changes for which the session task must be woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WakeFor {
    /// The task is awake and will collect.
    #[default]
    Nothing,
    /// The task sleeps until the peer has read its backlog, so it cannot send another message yet.
    Urgent,
    Anything,
}

/// Frames and requests that go ahead of the messages. They are rare, so this struct is boxed.
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

    /// Drops the oldest queued message. Frames that the task has collected are not in this queue,
    /// so a partly written frame is never dropped.
    fn drop_oldest(&mut self) {
        if let Some((kind, bytes)) = self.queue.first_message() {
            self.messages.remove(kind, bytes);
        }
        self.queue.drop_frame();
        self.dropped += 1;
    }

    /// Moves at least one message, and stops when `out` has more than `full` bytes. Returns the
    /// moved messages.
    fn move_messages(&mut self, out: &mut OutQueue, full: usize) -> Tally {
        if out.len().saturating_add(self.queue.len()) <= full {
            out.append(&mut self.queue);
            return std::mem::take(&mut self.messages);
        }
        let mut moved = Tally::default();
        while out.len() <= full
            && let Some((kind, bytes)) = self.queue.first_message()
        {
            out.append_frame(&mut self.queue);
            self.messages.remove(kind, bytes);
            moved.add(kind, bytes);
        }
        moved
    }

    /// Registers the waker of the session task, and frees what an idle connection does not need.
    fn register(&mut self, waker: &Waker, wake_for: WakeFor) {
        match &mut self.waker {
            Some(registered) => registered.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
        self.wake_for = wake_for;
        if self.messages.messages() == 0 {
            self.queue.clear();
        }
    }

    fn forget_messages(&mut self) {
        self.queue.clear();
        self.messages = Tally::default();
    }
}

/// Releases the lock, then wakes the task if it sleeps.
fn unlock_and_wake(mut waiting: MutexGuard<'_, Waiting>) {
    let sleeps = std::mem::take(&mut waiting.wake_for) != WakeFor::Nothing;
    let waker = if sleeps { waiting.waker.take() } else { None };
    drop(waiting);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Outbox {
    pub(crate) fn new(
        id: ConnectionId,
        limits: Arc<Limits>,
        counters: Arc<RouteCounters>,
        shared_format: Option<SharedFormat>,
    ) -> Self {
        Self {
            limits,
            counters,
            room: OnceLock::new(),
            shared_format,
            departures: AtomicU32::new(0),
            waiting: Mutex::default(),
            is_urgent: AtomicBool::new(false),
            id,
            tap: Tap::default(),
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The messages of the connection, for the console.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The numbers of messages and of bytes that wait.
    #[cfg(feature = "console")]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.messages.messages(), waiting.queue.len())
    }

    pub(crate) fn counters(&self) -> &Arc<RouteCounters> {
        &self.counters
    }

    fn room(&self) -> &Notify {
        self.room.get_or_init(Box::default)
    }

    /// Wakes the tasks that wait for room or for the end. Must be called after the change.
    fn notify(&self) {
        if let Some(room) = self.room.get() {
            room.notify_waiters();
        }
    }

    fn closed_error(&self) -> SendError {
        SendError::Closed { connection: self.id }
    }

    fn full_error(&self) -> SendError {
        SendError::Full { connection: self.id }
    }

    /// Queues a message. If the outbox is full, the overflow policy applies.
    #[inline]
    pub(crate) fn push(&self, message: Message) -> Result<(), SendError> {
        let waiting = self.make_room(self.lock(), message.len())?;
        self.tap.message(Direction::Out, &message);
        self.enqueue_message(waiting, message);
        Ok(())
    }

    /// Makes the form of a shared message that [`Self::push_frame`] needs. Must be called without a
    /// lock, because compression takes time.
    pub(crate) fn prepare(&self, shared: &mut SharedFrame) {
        shared.prepare(self.shared_format);
    }

    /// Queues a message that other connections share, in the form that [`Self::prepare`] has made.
    /// If the outbox is full, the overflow policy applies.
    pub(crate) fn push_frame(&self, shared: &SharedFrame) -> Result<(), SendError> {
        self.push_frame_locked(self.lock(), shared)
    }

    /// Does the same for a member of a group, unless the connection has left a group since
    /// [`Self::departures`] returned this number. `None` if it has.
    pub(crate) fn push_frame_to_member(
        &self,
        shared: &SharedFrame,
        departures: u32,
    ) -> Option<Result<(), SendError>> {
        let waiting = self.lock();
        let is_member = self.departures() == departures;
        is_member.then(|| self.push_frame_locked(waiting, shared))
    }

    fn push_frame_locked(
        &self,
        waiting: MutexGuard<'_, Waiting>,
        shared: &SharedFrame,
    ) -> Result<(), SendError> {
        let frame = shared.in_format(self.shared_format);
        let waiting = self.make_room(waiting, frame.len())?;
        self.tap.frame(shared.plain());
        let (kind, bytes) = shared.message();
        self.enqueue(waiting, kind, bytes, |queue| queue.shared(frame));
        Ok(())
    }

    /// How often the connection has left a group.
    pub(crate) fn departures(&self) -> u32 {
        self.departures.load(Ordering::Relaxed)
    }

    /// Records that the connection has left a group. After this has returned, no message of that
    /// group is queued by [`Self::push_frame_to_member`].
    pub(crate) fn departed(&self) {
        let _waiting = self.lock();
        self.departures.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes room for `len` bytes, or fails, as the overflow policy requires.
    #[inline]
    fn make_room<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        len: usize,
    ) -> Result<MutexGuard<'a, Waiting>, SendError> {
        if waiting.is_shut {
            return Err(self.closed_error());
        }
        if self.has_room(&waiting, len) {
            return Ok(waiting);
        }
        self.overflow(waiting, len)
    }

    #[cold]
    fn overflow<'a>(
        &self,
        mut waiting: MutexGuard<'a, Waiting>,
        len: usize,
    ) -> Result<MutexGuard<'a, Waiting>, SendError> {
        self.counters.outbox_full();
        while !self.has_room(&waiting, len) {
            match self.limits.overflow {
                Overflow::Disconnect => {
                    let reason = CloseReason::Overflow;
                    let frame = CloseFrame::new(reason.code(), "too slow");
                    self.stop_locked(waiting, Stop::CloseNow { frame, reason });
                    return Err(self.full_error());
                }
                Overflow::DropNewest => {
                    waiting.dropped += 1;
                    return Err(self.full_error());
                }
                Overflow::DropOldest => waiting.drop_oldest(),
            }
        }
        Ok(waiting)
    }

    /// The number of messages that were dropped because there was no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits for room, then queues the message. The overflow policy does not apply.
    pub(crate) async fn send(&self, mut message: Message) -> Result<(), SendError> {
        // In most cases there is room, so the first try does not register for a notification.
        while let Some(refused) = self.try_send(message)? {
            let room = self.room().notified();
            let Some(refused) = self.try_send(refused)? else { break };
            // `notify_waiters` reaches every `Notified` that exists, also before its first poll, so
            // no notification after the second try is missed.
            room.await;
            message = refused;
        }
        Ok(())
    }

    /// Queues the message, or returns it if the outbox is full.
    pub(crate) fn try_send(&self, message: Message) -> Result<Option<Message>, SendError> {
        let waiting = self.lock();
        if waiting.is_shut {
            return Err(self.closed_error());
        }
        if !self.has_room(&waiting, message.len()) {
            return Ok(Some(message));
        }
        self.tap.message(Direction::Out, &message);
        self.enqueue_message(waiting, message);
        Ok(None)
    }

    /// Queues a ping ahead of the messages.
    pub(crate) fn ping(&self, payload: Bytes) -> Result<(), SendError> {
        if payload.len() > fixed::CONTROL_PAYLOAD_BYTES {
            return Err(SendError::ControlTooLong { size: payload.len() });
        }
        let mut waiting = self.lock();
        if waiting.is_shut {
            return Err(self.closed_error());
        }
        let urgent = waiting.urgent();
        if urgent.pings_waiting == fixed::WAITING_PINGS {
            return Err(self.full_error());
        }
        urgent.pings.ping(payload);
        urgent.pings_waiting += 1;
        self.must_collect_and_wake(waiting);
        Ok(())
    }

    /// Asks the task to end the connection. The first request counts; only a cut replaces it.
    pub(crate) fn stop(&self, stop: Stop) -> Result<(), SendError> {
        let mut waiting = self.lock();
        if matches!(stop, Stop::Cut) {
            waiting.urgent().stop = Some(Stop::Cut);
            waiting.is_shut = true;
            self.must_collect_and_wake(waiting);
            self.notify();
            return Ok(());
        }
        if waiting.is_shut {
            return Err(self.closed_error());
        }
        self.stop_locked(waiting, stop);
        Ok(())
    }

    /// Ends the connection because the server stops (1001), unless it is ending already.
    pub(crate) fn shut_down(&self) {
        let reason = CloseReason::Shutdown;
        let frame = CloseFrame::new(reason.code(), "the server is stopping");
        let _ = self.stop(Stop::Close { frame, reason });
    }

    /// Wakes the task for a change outside the outbox: the alarm has fired, or the expiry has
    /// changed.
    pub(crate) fn nudge(&self) {
        let mut waiting = self.lock();
        waiting.is_nudged = true;
        unlock_and_wake(waiting);
    }

    /// Refuses everything from now on, because the connection ended in another way. Queued messages
    /// are kept.
    pub(crate) fn shut(&self) {
        self.lock().is_shut = true;
        self.notify();
    }

    /// Records that the peer has closed its side, and wakes the tasks that wait in
    /// [`Self::closed`].
    pub(crate) fn announce_end(&self) {
        self.lock().peer_has_ended = true;
        self.notify();
    }

    /// Waits until the peer has closed its side, or the outbox is shut.
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.room().notified();
            if self.is_ending() {
                return;
            }
            changed.await;
        }
    }

    fn is_ending(&self) -> bool {
        let waiting = self.lock();
        waiting.is_shut || waiting.peer_has_ended
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.lock().is_shut
    }

    /// Moves the queued frames to the end of `out`, pings first. Only the session task calls this.
    /// It stops when `out` has more than `full` bytes, but moves all messages if the connection
    /// closes behind them.
    ///
    /// A task that will sleep next passes its waker. It is registered if nothing is left, as
    /// [`Self::register`] does, so that the task takes the lock only once.
    pub(crate) fn collect(&self, out: &mut OutQueue, full: usize, waker: Option<&Waker>) -> Collected {
        let mut waiting = self.lock();
        self.is_urgent.store(false, Ordering::Relaxed);
        waiting.wake_for = WakeFor::Nothing;
        let is_nudged = std::mem::take(&mut waiting.is_nudged);
        let stop = waiting.urgent.take().and_then(|mut urgent| {
            out.append(&mut urgent.pings);
            urgent.stop
        });
        if matches!(stop, Some(Stop::CloseNow { .. } | Stop::Cut)) {
            waiting.forget_messages();
        }
        let full = if stop.is_some() { usize::MAX } else { full };
        let mut messages = Tally::default();
        if waiting.messages.messages() > 0 && out.len() <= full {
            messages = waiting.move_messages(out, full);
        }
        let waker = waker.filter(|_| stop.is_none() && waiting.messages.messages() == 0);
        if let Some(waker) = waker {
            waiting.register(waker, WakeFor::Anything);
        }
        drop(waiting);
        if messages.messages() > 0 {
            self.notify();
        }
        Collected { stop, messages, is_nudged, is_registered: waker.is_some() }
    }

    /// Whether [`Self::collect`] must be called before another message is read or handled: there is
    /// a ping or a request to close, or a large part of the room is used.
    pub(crate) fn must_be_collected(&self) -> bool {
        self.is_urgent.load(Ordering::Relaxed)
    }

    /// Registers the session task's waker before it sleeps. Returns false if there is something to
    /// collect already. Without `with_messages`, because the peer has a backlog to read, queued
    /// messages do not count and do not wake the task.
    pub(crate) fn register(&self, waker: &Waker, with_messages: bool) -> bool {
        let mut waiting = self.lock();
        let has_messages = with_messages && waiting.messages.messages() > 0;
        if waiting.is_nudged || waiting.urgent.is_some() || has_messages {
            return false;
        }
        waiting.register(waker, if with_messages { WakeFor::Anything } else { WakeFor::Urgent });
        true
    }

    /// Whether a message of `len` bytes fits. An empty outbox has room for a message of any size.
    fn has_room(&self, waiting: &Waiting, len: usize) -> bool {
        let messages = waiting.messages.messages();
        messages == 0
            || (messages < self.limits.outbox_messages
                && waiting.queue.len().saturating_add(len) <= self.limits.outbox_bytes)
    }

    fn enqueue_message(&self, waiting: MutexGuard<'_, Waiting>, message: Message) {
        let (kind, bytes) = (MessageKind::from(&message), message.len());
        self.enqueue(waiting, kind, bytes, |queue| queue.message(message));
    }

    fn enqueue(
        &self,
        mut waiting: MutexGuard<'_, Waiting>,
        kind: MessageKind,
        bytes: usize,
        append: impl FnOnce(&mut OutQueue),
    ) {
        append(&mut waiting.queue);
        waiting.messages.add(kind, bytes);
        if self.is_filling(&waiting) {
            self.is_urgent.store(true, Ordering::Relaxed);
        }
        if waiting.wake_for == WakeFor::Anything {
            unlock_and_wake(waiting);
        }
    }

    /// Whether many messages or bytes wait. An outbox with small limits is emptied sooner, so that
    /// each callback finds nearly all of its room, whatever earlier callbacks have pushed.
    fn is_filling(&self, waiting: &Waiting) -> bool {
        let (messages, bytes) = (self.limits.outbox_messages / 8, self.limits.outbox_bytes / 8);
        waiting.messages.messages() >= messages.min(UNCOLLECTED_MESSAGES)
            || waiting.queue.len() >= bytes.min(UNCOLLECTED_BYTES)
    }

    fn must_collect_and_wake(&self, waiting: MutexGuard<'_, Waiting>) {
        self.is_urgent.store(true, Ordering::Relaxed);
        unlock_and_wake(waiting);
    }

    fn stop_locked(&self, mut waiting: MutexGuard<'_, Waiting>, stop: Stop) {
        waiting.urgent().stop = Some(stop);
        waiting.is_shut = true;
        self.must_collect_and_wake(waiting);
        self.notify();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

#[cfg(test)]
mod tests;
