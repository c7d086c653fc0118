//! [`Incoming`]: the received messages, from the broker's read callback to the connections.
//!
//! The read callback must not wait, since the broker's client reads nothing meanwhile. It checks
//! the head of a message and queues the message for one of the workers, which is chosen by the
//! channel: the messages of one channel stay in order. A worker decodes the rest, and delivers it
//! to the members in turns. A message that does not fit into the queue is dropped and counted.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::{
    ThisNode,
    handle::ClusterChange,
    names::{self, Channel},
    nodes::Verdict,
    wire::{self, About, Body, Found, Head, Message, Question, ResultPart, Start, Unreadable},
};
use crate::{
    fixed,
    hub::{
        GroupKey, Live,
        target::{Scope, Target},
        walk::{ReceivedFrames, Walk},
    },
    throttle::shown,
};

/// A message that waits for a worker.
#[derive(Debug)]
struct Waiting {
    /// The name of the channel without the prefix.
    channel: Bytes,
    head: Head,
    message: Bytes,
}

impl Waiting {
    fn size(&self) -> usize {
        self.channel.len() + self.message.len()
    }
}

/// The queues of the workers.
#[derive(Debug)]
pub(super) struct Incoming {
    workers: Vec<mpsc::Sender<Waiting>>,
    hasher: RandomState,
    /// The bytes that wait in all queues, and their limit.
    bytes: AtomicUsize,
    limit: usize,
    /// The lost messages that were not reported yet.
    unreported: AtomicUsize,
}

/// The receiving ends of the queues. They are given to the workers when the node starts.
#[derive(Debug)]
pub(super) struct Receivers(Vec<mpsc::Receiver<Waiting>>);

impl Incoming {
    /// Creates the queues with a limit in bytes.
    pub(super) fn new(limit: usize) -> (Self, Receivers) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = cores.min(fixed::CLUSTER_WORKERS);
        let (workers, receivers) = (0..count).map(|_| mpsc::channel(fixed::CLUSTER_QUEUE)).unzip();
        let (bytes, unreported) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let this = Self { workers, hasher: RandomState::new(), bytes, limit, unreported };
        (this, Receivers(receivers))
    }

    /// Queues a message. Returns false if the queue is full.
    fn queue(&self, waiting: Waiting) -> bool {
        let worker = self.hasher.hash_one(&waiting.channel) as usize % self.workers.len().max(1);
        let Some(worker) = self.workers.get(worker) else { return false };
        let size = waiting.size();
        if self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) > self.limit
            || worker.try_send(waiting).is_err()
        {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl ThisNode {
    /// Receives a message from the broker. Never waits.
    pub(super) fn receive(&self, link: u32, mut channel: Bytes, message: Bytes) {
        if !self.is_current(link) {
            return;
        }
        let head = match wire::start(&message) {
            Ok(Start::Beat(beat)) => return self.record_beat(beat),
            Ok(Start::Message(head)) if head.node == self.id() => return,
            Ok(Start::Message(head)) => head,
            Err(error) => return self.malformed(error, &channel),
        };
        match self.nodes.admit(&head) {
            Verdict::Accepted => {}
            Verdict::Duplicate => return self.counters.duplicates.add(1),
            Verdict::TooOld => return self.lost(1),
            Verdict::Late => return self.counters.late.add(1),
            Verdict::TooManyNodes => return self.malformed(Unreadable::Malformed, &channel),
        }
        self.counters.received.add(1);
        let prefix = self.config.prefix.len() + names::VERSION.len();
        // This keeps the allocation, which a slice would share through another one.
        channel.advance(prefix.min(channel.len()));
        if !self.incoming.queue(Waiting { channel, head, message }) {
            self.lost(1);
        }
    }

    /// Records that the broker's client has dropped messages.
    pub(super) fn lost(&self, messages: usize) {
        self.counters.lost.add(messages);
        self.incoming.unreported.fetch_add(messages, Ordering::Relaxed);
    }

    /// Reports the lost messages, several at once.
    pub(super) fn report_lost(&self) {
        // This is called for each batch of messages, and almost never finds any.
        if self.incoming.unreported.load(Ordering::Relaxed) == 0 {
            return;
        }
        let messages = self.incoming.unreported.swap(0, Ordering::Relaxed) as u64;
        if messages > 0 {
            tracing::warn!(messages, "messages of other nodes were dropped: this node is too slow");
            self.announce(ClusterChange::Lost { messages });
        }
    }

    /// Spawns the workers. They end when the node is dropped.
    pub(super) fn spawn_workers(self: &Arc<Self>, receivers: Receivers) {
        for mut receiver in receivers.0 {
            let node = Arc::downgrade(self);
            tokio::spawn(async move {
                let mut batch = Vec::new();
                while receiver.recv_many(&mut batch, fixed::RECEIVED_A_BATCH).await > 0 {
                    let Some(node) = Weak::upgrade(&node) else { return };
                    node.report_lost();
                    let Some(live) = node.live() else { return };
                    for waiting in batch.drain(..) {
                        node.incoming.bytes.fetch_sub(waiting.size(), Ordering::Relaxed);
                        node.handle(&live, waiting).await;
                        // A batch counts as one step of the scheduler; each message is one.
                        tokio::task::coop::consume_budget().await;
                    }
                }
            });
        }
    }

    async fn handle(self: &Arc<Self>, live: &Arc<Live>, waiting: Waiting) {
        let Waiting { channel, head, message } = waiting;
        let message = match Message::decode(head, &message) {
            Ok(message) => message,
            Err(error) => return self.malformed(error, &channel),
        };
        let only = Only { connection: message.connection, at: message.at };
        match message.body {
            Body::Push(frames) => {
                let Some(target) = target(live, &channel, only, message.except) else {
                    return self.malformed(Unreadable::Malformed, &channel);
                };
                let (mut walk, mut frames) = (Walk::new(&target), ReceivedFrames::from(frames));
                while walk.advance() {
                    walk.frames(&mut frames);
                    if !walk.is_over() {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Body::Close(frame) => {
                let Some(target) = target(live, &channel, only, message.except) else {
                    return self.malformed(Unreadable::Malformed, &channel);
                };
                let mut walk = Walk::new(&target);
                while walk.advance() {
                    walk.close(&frame);
                    tokio::task::yield_now().await;
                }
            }
            Body::Question(question) => {
                let Question { id, about, channel: of } = question;
                // A node without the controller has no members.
                let target = target(live, &of, only, message.except);
                self.answer(head.node, id, about, target.as_ref());
            }
            Body::Result(part) => self.questions.receive(head.node, part),
            Body::Ask(ask) => {
                let target = target(live, &ask.channel, only, message.except);
                self.serve_ask(live, head.node, target.as_ref(), ask);
            }
            Body::Claim(claiming) => match target(live, &channel, only, message.except) {
                Some(target) => self.receive_claim(live, &target, head.node, claiming),
                None => self.malformed(Unreadable::Malformed, &channel),
            },
            Body::Watch(watch) => self.watch_asked(live, head.node, watch),
            Body::Roster(part) => self.roster_received(live, head.node, part),
            Body::Changes(changes) => self.members_changed(live, head.node, changes),
        }
    }

    /// Sends the result of a question about the members on this node.
    fn answer(&self, to: u32, id: u64, about: About, target: Option<&Target>) {
        let channel = Channel::Node(to);
        let mut number = 0;
        let mut send = |is_last, found| {
            let body = Body::Result(ResultPart { id, number, is_last, found });
            number += 1;
            // Without it, the node that asked reports this one as missing.
            let _ = self.publish(&channel, &Message::new(body));
        };
        match about {
            About::Count => send(true, Found::Count(target.map_or(0, Target::count_local) as u64)),
            About::Ids => {
                let ids = target.map(Target::ids_local).unwrap_or_default();
                let mut numbers: Vec<u64> = ids.iter().map(|id| id.sequence()).collect();
                numbers.truncate(fixed::CLUSTER_IDS);
                while numbers.len() > fixed::IDS_A_PART {
                    let rest = numbers.split_off(fixed::IDS_A_PART);
                    send(false, Found::Ids(std::mem::replace(&mut numbers, rest)));
                }
                send(true, Found::Ids(numbers));
            }
            About::Claims => send(true, Found::Count(self.live().map_or(0, |live| live.claims().known()))),
        }
    }

    #[cold]
    fn malformed(&self, error: Unreadable, channel: &[u8]) {
        self.counters.malformed.add(1);
        if let Some(skipped) = self.malformed_warning.due() {
            tracing::warn!(
                channel = shown(channel),
                skipped,
                "a message of the broker was not read: {error}"
            );
        }
    }
}

/// The connections of a channel to which a message is narrowed.
struct Only {
    connection: Option<u64>,
    /// The name of their controller.
    at: Option<Bytes>,
}

/// Returns the connections of this node that a channel addresses.
fn target(
    live: &Arc<Live>,
    channel: &[u8],
    Only { connection, at }: Only,
    except: Vec<crate::wire::ConnectionId>,
) -> Option<Target> {
    let channel = Channel::parse(channel, |name| live.names().find(name))?;
    let scope = match (channel, connection, at) {
        (Channel::Node(_), Some(sequence), None) => Scope::One(live.own_id(sequence)),
        (Channel::All, None, None) => Scope::All,
        (Channel::Controller(name), None, None) => Scope::of_controller(name),
        (Channel::Group(key), None, None) => Scope::of_group(key),
        (Channel::Group(GroupKey::User(user)), None, Some(at)) => {
            let name = std::str::from_utf8(&at).ok()?;
            Scope::UserAt(live.names().find_or_unused(name), user)
        }
        _ => return None,
    };
    Some(Target { live: Arc::clone(live), scope, except })
}
