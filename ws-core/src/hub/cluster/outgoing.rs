//! [`Outgoing`]: the bounded queue of messages for the broker.
//!
//! The order of the queue is the order of sending. A sequence number is given when a message is
//! queued, so it follows the same order. While the link is down, messages are kept for one second,
//! which bridges a short interruption; after that they are dropped and counted, and further ones
//! are refused.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use super::wire::Message;
use crate::{
    fixed,
    hub::{NotSent, Remote},
    sync::Mutex,
};

/// A message for the broker.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The full name of the channel.
    pub(crate) channel: String,
    pub(crate) message: Vec<u8>,
    /// The call that waits for the outcome.
    pub(super) done: Option<oneshot::Sender<Remote>>,
}

impl Outgoing {
    fn size(&self) -> usize {
        self.channel.len() + self.message.len()
    }

    pub(super) fn settle(self, outcome: Remote) {
        if let Some(done) = self.done {
            // Fails if the call was cancelled.
            let _ = done.send(outcome);
        }
    }
}

/// A message that is added to the queue.
#[derive(Debug)]
pub(super) struct Added<'a> {
    pub(super) channel: String,
    pub(super) message: &'a Message,
    pub(super) node: u32,
    pub(super) done: Option<oneshot::Sender<Remote>>,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// The limit of the queue in bytes.
    bytes: usize,
    /// Notified when a message was added.
    added: Notify,
    /// Notified when the link has ended.
    interrupted: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    next_sequence: u64,
    /// The time since which the link is down.
    no_link_since: Option<Instant>,
    /// Whether the node has left the cluster.
    is_closed: bool,
}

impl State {
    /// Whether messages are refused, because the link is down.
    fn is_unreachable(&self) -> bool {
        let is_expired = |since: Instant| since.elapsed() >= fixed::UNSENT_KEPT;
        self.is_closed || self.no_link_since.is_some_and(is_expired)
    }
}

impl Queue {
    pub(super) fn new(bytes: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            next_sequence: 1,
            no_link_since: Some(Instant::now()),
            is_closed: false,
        };
        Self { state: Mutex::new(state), bytes, added: Notify::new(), interrupted: Notify::new() }
    }

    /// Adds a message.
    pub(super) fn add(&self, added: Added<'_>) -> Result<(), NotSent> {
        let Added { channel, message, node, done } = added;
        let size = channel.len() + message.size();
        let mut state = self.state.lock();
        if state.is_unreachable() {
            return Err(NotSent::Unreachable);
        }
        if state.waiting.len() >= fixed::CLUSTER_QUEUE || state.bytes.saturating_add(size) > self.bytes {
            return Err(NotSent::Full);
        }
        let message = message.encode(node, state.next_sequence);
        state.next_sequence += 1;
        let outgoing = Outgoing { channel, message, done };
        state.bytes += outgoing.size();
        state.waiting.push_back(outgoing);
        drop(state);
        self.added.notify_one();
        Ok(())
    }

    /// Takes the messages of one batch.
    pub(super) fn take(&self) -> Vec<Outgoing> {
        let mut state = self.state.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < fixed::PUBLISHES_A_BATCH
            && bytes < fixed::PUBLISHED_BYTES_A_BATCH
            && let Some(outgoing) = state.waiting.pop_front()
        {
            bytes += outgoing.size();
            batch.push(outgoing);
        }
        state.bytes -= bytes;
        if state.waiting.is_empty() {
            state.waiting.shrink_to(fixed::PUBLISHES_A_BATCH);
        }
        batch
    }

    /// Waits until a message may have been added.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// Whether messages are refused, because the link is down.
    pub(super) fn is_unreachable(&self) -> bool {
        self.state.lock().is_unreachable()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    /// Records that there is a link.
    pub(super) fn connected(&self) {
        self.state.lock().no_link_since = None;
    }

    /// Records that the link has ended.
    pub(super) fn disconnected(&self) {
        self.state.lock().no_link_since.get_or_insert_with(Instant::now);
        self.interrupted.notify_one();
    }

    /// Waits until the messages have waited for a link for too long, and removes them.
    pub(super) async fn expired(&self) -> VecDeque<Outgoing> {
        loop {
            let since = self.state.lock().no_link_since;
            match since {
                Some(since) if since.elapsed() >= fixed::UNSENT_KEPT => {
                    let expired = self.clear();
                    if !expired.is_empty() {
                        return expired;
                    }
                    self.interrupted.notified().await;
                }
                Some(since) => {
                    // A little later than the last message is accepted.
                    sleep_until(since + fixed::UNSENT_KEPT + Duration::from_millis(1)).await;
                }
                None => self.interrupted.notified().await,
            }
        }
    }

    /// Refuses further messages, and removes all.
    pub(super) fn close(&self) -> VecDeque<Outgoing> {
        self.state.lock().is_closed = true;
        self.clear()
    }

    /// Removes all messages.
    fn clear(&self) -> VecDeque<Outgoing> {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.waiting)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{
        hub::cluster::wire::{Body, Frames},
        socket,
    };

    fn message(size: usize) -> Message {
        let frame = socket::encode(crate::wire::Message::binary(vec![0; size]));
        Message::new(Body::Push(Frames::One(frame)))
    }

    fn add(queue: &Queue, size: usize) -> Result<(), NotSent> {
        queue.add(Added { channel: "c".into(), message: &message(size), node: 1, done: None })
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_by_messages_and_by_bytes() {
        let queue = Queue::new(1 << 20);
        for _ in 0..fixed::CLUSTER_QUEUE {
            add(&queue, 1).unwrap();
        }
        assert_eq!(add(&queue, 1), Err(NotSent::Full));
        assert_eq!(queue.take().len(), fixed::PUBLISHES_A_BATCH);
        add(&queue, 1).unwrap();
        let queue = Queue::new(4096);
        add(&queue, 3000).unwrap();
        assert_eq!(add(&queue, 3000), Err(NotSent::Full));
        add(&queue, 500).unwrap();
        assert_eq!(queue.take().len(), 2);
        add(&queue, 3000).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_bounded_by_bytes() {
        let queue = Queue::new(16 << 20);
        for _ in 0..4 {
            add(&queue, 200 << 10).unwrap();
        }
        assert_eq!([queue.take().len(), queue.take().len(), queue.take().len()], [2, 2, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn unsent_messages_are_kept_for_a_second_without_a_link() {
        let queue = Queue::new(1 << 20);
        add(&queue, 1).unwrap();
        queue.connected();
        advance(fixed::UNSENT_KEPT * 2).await;
        queue.disconnected();
        add(&queue, 1).unwrap();
        advance(fixed::UNSENT_KEPT / 2).await;
        add(&queue, 1).unwrap();
        assert_eq!(queue.expired().await.len(), 3);
        assert_eq!(add(&queue, 1), Err(NotSent::Unreachable));
        queue.connected();
        add(&queue, 1).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn sequence_numbers_follow_the_order_of_the_queue() {
        let queue = Queue::new(1 << 20);
        (0..3).for_each(|_| add(&queue, 1).unwrap());
        let sequences: Vec<u8> = queue.take().iter().map(|it| it.message[18]).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }
}
