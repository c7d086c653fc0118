//! The link: the only loop that connects to the broker, and the tasks of one connection to it.
//!
//! A link subscribes the node's own channels and then those of all groups with members; after that
//! it is up. While it is up, it publishes the queue in batches, sends heartbeats, and follows the
//! interest. Each heartbeat must come back through the node's own subscription: this proves that
//! the broker executes what is sent and that the subscription is active, which TCP does not. A link
//! is replaced as a whole, with a number of its own; no message of it is sent again.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::{
    ThisNode,
    beats::beat_message,
    brokers::{Broker, Connected, PublishError, Sink},
    followed::Followed,
    names::Channel,
    outgoing::Outgoing,
    wire::Phase,
};
use crate::{
    fixed,
    hub::{NotSent, Remote},
    random,
};

/// The reason why a link has ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("{0}")]
    Broker(String),
    #[error("the broker did not answer within {} s", fixed::BROKER_CONNECT_TIMEOUT.as_secs())]
    ConnectTimeout,
    #[error("no own heartbeat came back for {0:?}")]
    NoEcho(Duration),
    #[error("another node has the same id")]
    IdTaken,
    /// The application has stopped.
    #[error("this node has left the cluster")]
    Left,
}

/// Keeps the node linked to the broker until it leaves the cluster.
pub(super) async fn run(node: Arc<ThisNode>) {
    // It is dropped last, also if the task is aborted or the runtime ends.
    let left = Left(node);
    tokio::select! {
        () = links(&left.0) => {}
        () = drop_unsent(&left.0) => {}
    }
}

/// Records on drop that the node has left the cluster.
struct Left(Arc<ThisNode>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// Drops the messages that have waited too long for a link.
async fn drop_unsent(node: &ThisNode) {
    loop {
        for outgoing in node.outgoing.expired().await {
            node.counters.dropped.add(1);
            outgoing.settle(Remote::NotSent(NotSent::Unreachable));
        }
    }
}

async fn links(node: &Arc<ThisNode>) {
    let mut failures = 0;
    loop {
        let link = node.next_link();
        let ended = link_once(node, link).await;
        if let Ended::Left = ended {
            return;
        }
        let was_up = node.link_ended(&ended);
        failures = if was_up { 0 } else { failures + 1 };
        let pause = fixed::LEAST_BROKER_PAUSE.saturating_mul(1 << u32::min(failures, 10));
        tokio::select! {
            () = sleep(random::time(pause.min(fixed::MOST_BROKER_PAUSE))) => {}
            () = node.leaving() => return,
        }
    }
}

/// Connects once, and serves the link until it ends.
async fn link_once(node: &Arc<ThisNode>, link: u32) -> Ended {
    let (sink, mut ended) = Sink::new(node, link);
    let connect = timeout(fixed::BROKER_CONNECT_TIMEOUT, node.connector.connect(sink));
    let connected = tokio::select! {
        connected = connect => connected,
        () = node.leaving() => return Ended::Left,
    };
    let broker = match connected {
        Ok(Ok(broker)) => broker,
        Ok(Err(error)) => return Ended::Broker(error.0),
        Err(_) => return Ended::ConnectTimeout,
    };
    // Before the tasks of the link: one of them records the progress of this link.
    node.beats.start();
    let mut beats = pin!(beat(node, &broker, link));
    tokio::select! {
        joined = join(node, &broker) => if let Err(ended) = joined { return ended },
        ended = ended.recv() => return ended,
        ended = &mut beats => return ended,
        () = node.leaving() => return Ended::Left,
    }
    node.link_is_up();
    tokio::select! {
        ended = ended.recv() => ended,
        ended = beats => ended,
        ended = publish(node, &broker) => ended,
        ended = follow_interest(node, &broker, Followed::Members) => ended,
        ended = follow_interest(node, &broker, Followed::Watches) => ended,
    }
}

/// Subscribes the node's own channels and those of all groups with members, and waits for the first
/// own heartbeat.
async fn join(node: &ThisNode, broker: &Connected) -> Result<(), Ended> {
    let own = [Channel::Nodes, Channel::Node(node.id()), Channel::All];
    let controllers = node.controllers().into_iter().map(Channel::Controller);
    let channels: Vec<String> = own.into_iter().chain(controllers).map(|it| node.full_name(&it)).collect();
    let subscribed = timeout(fixed::BROKER_CONNECT_TIMEOUT, broker.subscribe(&channels));
    subscribed.await.map_err(|_| Ended::ConnectTimeout)?.map_err(|error| Ended::Broker(error.0))?;
    node.beats.own_channels_are_subscribed();
    subscribe_pending(node, broker, Followed::Members).await?;
    subscribe_pending(node, broker, Followed::Watches).await?;
    node.beats.first_echo().await;
    Ok(())
}

/// Sends heartbeats, and ends when none has come back for too long.
async fn beat(node: &ThisNode, broker: &Connected, link: u32) -> Ended {
    let most = node.config.heartbeat * 3;
    // A heartbeat that is published before the own subscription does not come back.
    let subscribed = timeout_at(node.beats.last_echo() + most, node.beats.own_channels());
    if subscribed.await.is_err() {
        return Ended::NoEcho(most);
    }
    let mut phase = Phase::Hello;
    loop {
        let beat = beat_message(node, link, phase);
        phase = Phase::Alive;
        let batch =
            [Outgoing { channel: node.full_name(&Channel::Nodes), message: beat.encode(), done: None }];
        let published = timeout_at(node.beats.last_echo() + most, broker.publish(&batch)).await;
        match published.map(|outcomes| outcomes.into_iter().next()) {
            Ok(Some(Err(error))) => return Ended::Broker(error.to_string()),
            Ok(_) => {}
            Err(_) => return Ended::NoEcho(most),
        }
        node.expire_nodes();
        node.report_lost();
        let next = Instant::now() + random::jitter(node.config.heartbeat, 10);
        loop {
            // A later echo moves the deadline.
            let deadline = node.beats.last_echo() + most;
            if deadline <= Instant::now() {
                return Ended::NoEcho(most);
            }
            let check = Instant::now() + fixed::EXPIRY_PAUSE;
            tokio::select! {
                () = sleep_until(next.min(deadline).min(check)) => {
                    if next <= Instant::now() {
                        break;
                    }
                    node.expire_nodes();
                }
                () = node.beats.wanted() => break,
                () = node.beats.id_is_taken() => return Ended::IdTaken,
            }
        }
    }
}

/// Publishes the queue in batches, several at once, until the node leaves the cluster.
async fn publish(node: &ThisNode, broker: &Connected) -> Ended {
    let mut batches = InOrder::default();
    let mut leaving = pin!(node.leaving());
    loop {
        while batches.len() < fixed::BATCHES_IN_FLIGHT && !node.outgoing.is_empty() {
            let batch = Batch::new(node, node.outgoing.take());
            batches.push(async move { batch.publish(broker).await });
        }
        tokio::select! {
            ended = batches.next() => if let Some(error) = ended { return Ended::Broker(error) },
            () = node.outgoing.added(), if batches.len() < fixed::BATCHES_IN_FLIGHT => {}
            () = &mut leaving => break,
        }
    }
    // The rest of the queue and the goodbye are sent, if the broker accepts them in time.
    let farewell = async {
        loop {
            while batches.len() < fixed::BATCHES_IN_FLIGHT && !node.outgoing.is_empty() {
                let batch = Batch::new(node, node.outgoing.take());
                batches.push(async move { batch.publish(broker).await });
            }
            if batches.len() == 0 {
                break;
            }
            batches.next().await;
        }
        let goodbye = beat_message(node, node.link(), Phase::Goodbye).encode();
        let goodbye = Outgoing { channel: node.full_name(&Channel::Nodes), message: goodbye, done: None };
        broker.publish(&[goodbye]).await;
    };
    let _ = timeout(fixed::FAREWELL_TIMEOUT, farewell).await;
    Ended::Left
}

/// A batch that is being published. Messages without an outcome when it is dropped are unknown.
struct Batch<'a> {
    node: &'a ThisNode,
    messages: Vec<Outgoing>,
}

impl<'a> Batch<'a> {
    fn new(node: &'a ThisNode, mut messages: Vec<Outgoing>) -> Self {
        let link = node.link();
        messages.iter_mut().for_each(|it| super::wire::set_link(&mut it.message, link));
        Self { node, messages }
    }

    /// Returns the error that ends the link.
    async fn publish(mut self, broker: &Connected) -> Option<String> {
        let outcomes = broker.publish(&self.messages).await;
        let mut ends = None;
        for (message, outcome) in self.messages.drain(..).zip(outcomes) {
            let counters = &self.node.counters;
            message.settle(match outcome {
                Ok(()) => {
                    counters.accepted.add(1);
                    Remote::Accepted
                }
                Err(PublishError::Refused(error)) => {
                    counters.dropped.add(1);
                    self.node.refused(&error);
                    Remote::NotSent(NotSent::Refused)
                }
                Err(PublishError::TooLarge(error)) => {
                    counters.dropped.add(1);
                    self.node.refused(&error);
                    Remote::NotSent(NotSent::TooLarge)
                }
                Err(PublishError::Unknown(error)) => {
                    counters.unknown.add(1);
                    ends = Some(error);
                    Remote::Unknown
                }
            });
        }
        ends
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages.drain(..) {
            self.node.counters.unknown.add(1);
            message.settle(Remote::Unknown);
        }
    }
}

/// Subscribes and unsubscribes the channels of groups.
async fn follow_interest(node: &ThisNode, broker: &Connected, followed: Followed) -> Ended {
    let interest = followed.interest(node);
    loop {
        if let Err(ended) = subscribe_pending(node, broker, followed).await {
            return ended;
        }
        let keys = interest.take_lingering(fixed::CHANNELS_A_BATCH);
        if keys.is_empty() {
            interest.changed().await;
            continue;
        }
        // One batch at a time, because no call waits for the end of a subscription.
        if let Err(error) = broker.unsubscribe(&followed.channels(node, &keys)).await {
            return Ended::Broker(error.0);
        }
        interest.unsubscribed(keys);
    }
}

/// Subscribes everything that is to be subscribed, several batches at once.
async fn subscribe_pending(node: &ThisNode, broker: &Connected, followed: Followed) -> Result<(), Ended> {
    let mut batches = InOrder::default();
    loop {
        while batches.len() < fixed::SUBSCRIBES_IN_FLIGHT {
            let keys = followed.interest(node).take_pending(fixed::CHANNELS_A_BATCH);
            if keys.is_empty() {
                break;
            }
            batches.push(async move {
                let result = broker.subscribe(&followed.channels(node, &keys)).await;
                if result.is_ok() {
                    followed.subscribed(node, &keys);
                }
                result.err().map(|error| error.0)
            });
        }
        if batches.len() == 0 {
            return Ok(());
        }
        if let Some(error) = batches.next().await {
            return Err(Ended::Broker(error));
        }
    }
}

/// Futures that are polled in the order in which they were added. A client's first poll sends the
/// commands, so they are sent in this order.
#[derive(Default)]
struct InOrder<'a>(VecDeque<Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>>);

impl<'a> InOrder<'a> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, future: impl Future<Output = Option<String>> + Send + 'a) {
        self.0.push_back(Box::pin(future));
    }

    /// Waits until a future has finished. Without futures it never returns.
    async fn next(&mut self) -> Option<String> {
        poll_fn(|cx| {
            for at in 0..self.0.len() {
                let Some(future) = self.0.get_mut(at) else { break };
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    drop(self.0.remove(at));
                    return Poll::Ready(output);
                }
            }
            Poll::Pending
        })
        .await
    }
}
