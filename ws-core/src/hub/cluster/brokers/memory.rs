//! A broker in memory, for tests: it connects nodes of one process, and it can be stopped, and
//! lose, delay or reorder messages between two nodes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::sleep;

use super::{Broker, BrokerError, PublishError, Sink};
use crate::{
    hub::cluster::{outgoing::Outgoing, wire},
    sync::Mutex,
};

/// A message that is held for a reordered one waits at most this time.
const HELD: Duration = Duration::from_millis(10);

/// The broker. Clones are the same broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryBroker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next_member: usize,
    next_link: u64,
    is_stopped: bool,
    /// The numbers of the subscribed links by channel.
    channels: HashMap<String, BTreeSet<u64>>,
    links: HashMap<u64, Link>,
    /// The faults by sending and receiving member.
    faults: HashMap<(usize, usize), Fault>,
}

struct Link {
    member: usize,
    sink: Sink,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("member", &self.member).finish_non_exhaustive()
    }
}

/// The faults of messages from one member to another.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    pub(crate) is_cut: bool,
    pub(crate) delay: Duration,
    /// The number of messages that are lost next. Heartbeats do not count.
    pub(crate) drop_next: usize,
    /// The number of messages of which the first is delivered after the second one.
    pub(crate) swap_next: usize,
    held: Option<Delivery>,
}

impl Fault {
    /// Ends the fault. A held message is still delivered.
    pub(crate) fn heal(&mut self) {
        *self = Self { held: self.held.take(), ..Self::default() };
    }
}

/// A message on its way to one link.
#[derive(Clone, Debug)]
struct Delivery {
    to: u64,
    channel: Bytes,
    message: Bytes,
}

/// One node's access to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    broker: MemoryBroker,
    pub(crate) number: usize,
}

impl MemoryBroker {
    /// Adds a node.
    pub(crate) fn member(&self) -> Member {
        let mut state = self.0.lock();
        state.next_member += 1;
        Member { broker: self.clone(), number: state.next_member }
    }

    /// Ends all links, drops all state, and refuses new links until the start.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock();
        state.is_stopped = true;
        state.channels.clear();
        let links: Vec<Link> = state.links.drain().map(|(_, link)| link).collect();
        drop(state);
        links.iter().for_each(|link| link.sink.ended("the broker was stopped"));
    }

    pub(crate) fn start(&self) {
        self.0.lock().is_stopped = false;
    }

    /// Changes the faults of messages from one member to another.
    pub(crate) fn change(&self, from: usize, to: usize, change: impl FnOnce(&mut Fault)) {
        change(self.0.lock().faults.entry((from, to)).or_default());
    }

    fn deliver(&self, delivery: Delivery) {
        let sink = self.0.lock().links.get(&delivery.to).map(|link| link.sink.clone());
        if let Some(sink) = sink {
            sink.message(delivery.channel, delivery.message);
        }
    }

    fn publish(&self, from: u64, outgoing: &Outgoing) -> Result<(), PublishError> {
        let gone = || PublishError::Unknown("the broker was stopped".to_owned());
        let mut state = self.0.lock();
        let member = state.links.get(&from).map(|link| link.member).ok_or_else(gone)?;
        let to: Vec<u64> = state.channels.get(&outgoing.channel).into_iter().flatten().copied().collect();
        let (channel, message) =
            (Bytes::from(outgoing.channel.clone()), Bytes::from(outgoing.message.clone()));
        let mut now = Vec::new();
        for to in to {
            let Some(receiver) = state.links.get(&to).map(|link| link.member) else { continue };
            let delivery = Delivery { to, channel: channel.clone(), message: message.clone() };
            match state.faults.get_mut(&(member, receiver)) {
                None => now.push(delivery),
                Some(fault) => now.extend(self.through(fault, delivery)),
            }
        }
        drop(state);
        now.into_iter().for_each(|delivery| self.deliver(delivery));
        Ok(())
    }

    /// Applies the faults to a message, and returns the messages to deliver now.
    fn through(&self, fault: &mut Fault, delivery: Delivery) -> Vec<Delivery> {
        if fault.is_cut {
            return Vec::new();
        }
        let is_beat = matches!(wire::start(&delivery.message), Ok(wire::Start::Beat(_)));
        if !is_beat && fault.drop_next > 0 {
            fault.drop_next -= 1;
            return Vec::new();
        }
        if !fault.delay.is_zero() {
            let (broker, delay) = (self.clone(), fault.delay);
            tokio::spawn(async move {
                sleep(delay).await;
                broker.deliver(delivery);
            });
            return Vec::new();
        }
        if let Some(held) = fault.held.take() {
            return vec![delivery, held];
        }
        if !is_beat && fault.swap_next > 0 {
            fault.swap_next -= 1;
            fault.held = Some(delivery);
            let broker = self.clone();
            tokio::spawn(async move {
                sleep(HELD).await;
                broker.release();
            });
            return Vec::new();
        }
        vec![delivery]
    }

    /// Delivers the held messages that no later message has released.
    fn release(&self) {
        let held: Vec<Delivery> =
            self.0.lock().faults.values_mut().filter_map(|fault| fault.held.take()).collect();
        held.into_iter().for_each(|delivery| self.deliver(delivery));
    }
}

impl Member {
    pub(super) fn connect(&self, sink: Sink) -> Result<MemoryLink, BrokerError> {
        let mut state = self.broker.0.lock();
        if state.is_stopped {
            return Err(BrokerError("the broker is stopped".to_owned()));
        }
        state.next_link += 1;
        let number = state.next_link;
        state.links.insert(number, Link { member: self.number, sink });
        Ok(MemoryLink { broker: self.broker.clone(), number })
    }
}

/// A link to the broker in memory.
pub(crate) struct MemoryLink {
    broker: MemoryBroker,
    number: u64,
}

impl Broker for MemoryLink {
    async fn publish(&self, batch: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        let outcomes = batch.iter().map(|outgoing| self.broker.publish(self.number, outgoing)).collect();
        // It answers later, as a broker over a network does.
        tokio::task::yield_now().await;
        outcomes
    }

    async fn subscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        // The command takes effect later, as over a network.
        tokio::task::yield_now().await;
        let mut state = self.broker.0.lock();
        if !state.links.contains_key(&self.number) {
            return Err(BrokerError("the broker was stopped".to_owned()));
        }
        for channel in channels {
            state.channels.entry(channel.clone()).or_default().insert(self.number);
        }
        Ok(())
    }

    async fn unsubscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        tokio::task::yield_now().await;
        let mut state = self.broker.0.lock();
        for channel in channels {
            if let Some(links) = state.channels.get_mut(channel) {
                links.remove(&self.number);
                if links.is_empty() {
                    state.channels.remove(channel);
                }
            }
        }
        Ok(())
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        let mut state = self.broker.0.lock();
        state.links.remove(&self.number);
        state.channels.retain(|_, links| {
            links.remove(&self.number);
            !links.is_empty()
        });
    }
}
