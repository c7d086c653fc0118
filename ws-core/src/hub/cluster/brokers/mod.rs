//! The brokers: one connection to a server that passes messages between nodes.
//!
//! Only this module names a broker's client. A broker does not connect again by itself: its end is
//! reported once, and the link makes a new one.

#[cfg(feature = "testing")]
pub(crate) mod memory;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "nats", feature = "redis"))]
mod tls;

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{ThisNode, link::Ended, outgoing::Outgoing};
use crate::config;

/// One connection to a broker.
///
/// The commands of two calls are sent in the order of the first polls of their futures. A dropped
/// future may have been executed or not. Dropping the broker ends the connection.
pub(super) trait Broker: Send + Sync + Sized {
    /// Publishes messages in order. Returns an outcome for each.
    fn publish(&self, batch: &[Outgoing]) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;

    /// Subscribes channels. Returns after the broker has confirmed all of them.
    fn subscribe(&self, channels: &[String]) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Ends subscriptions. Returns after the broker has confirmed all of them.
    fn unsubscribe(&self, channels: &[String]) -> impl Future<Output = Result<(), BrokerError>> + Send;
}

/// The broker has failed or refused something. The text has no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BrokerError(pub(crate) String);

/// The reason why a message is not known to be published.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The broker has refused the message and continues.
    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "NATS does not say which message it refuses")
    )]
    #[error("{0}")]
    Refused(String),
    /// The broker accepts smaller messages only. The message was not sent.
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "other brokers have no limit of their own"))]
    #[error("{0}")]
    TooLarge(String),
    /// The connection has failed. The message may have been published.
    #[error("{0}")]
    Unknown(String),
}

/// The way to connect to a broker, checked at start.
pub(crate) enum Connector {
    #[cfg(feature = "nats")]
    Nats(Box<nats::Nats>),
    #[cfg(feature = "redis")]
    Redis(Box<redis::Redis>),
    #[cfg(feature = "testing")]
    Memory(memory::Member),
}

impl Connector {
    /// Checks the settings of a broker and reads its certificates.
    ///
    /// # Errors
    /// The text says what is wrong and what to write.
    pub(crate) fn new(config: &config::Cluster) -> Result<Self, String> {
        match config.kind {
            #[cfg(feature = "redis")]
            config::BrokerKind::Redis => redis::Redis::new(config).map(Box::new).map(Self::Redis),
            #[cfg(not(feature = "redis"))]
            config::BrokerKind::Redis => Err(missing_feature(config.kind)),
            #[cfg(feature = "nats")]
            config::BrokerKind::Nats => nats::Nats::new(config).map(Box::new).map(Self::Nats),
            #[cfg(not(feature = "nats"))]
            config::BrokerKind::Nats => Err(missing_feature(config.kind)),
        }
    }

    /// Connects to the broker. Received messages go to the sink.
    pub(super) async fn connect(&self, sink: Sink) -> Result<Connected, BrokerError> {
        // A connector exists only with a broker.
        #[cfg(not(any(feature = "nats", feature = "redis", feature = "testing")))]
        drop(sink);
        match *self {
            #[cfg(feature = "nats")]
            Self::Nats(ref nats) => nats.connect(sink).await.map(Connected::Nats),
            #[cfg(feature = "redis")]
            Self::Redis(ref redis) => redis.connect(sink).await.map(Connected::Redis),
            #[cfg(feature = "testing")]
            Self::Memory(ref member) => member.connect(sink).map(Connected::Memory),
        }
    }
}

#[cfg(not(all(feature = "nats", feature = "redis")))]
fn missing_feature(kind: config::BrokerKind) -> String {
    format!(
        "`cluster.kind = \"{kind}\"` needs the feature `{kind}` of ws-core; write `features = [\"{kind}\"]`"
    )
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// A connection to a broker of any kind.
pub(super) enum Connected {
    #[cfg(feature = "nats")]
    Nats(nats::NatsLink),
    #[cfg(feature = "redis")]
    Redis(redis::RedisLink),
    #[cfg(feature = "testing")]
    Memory(memory::MemoryLink),
}

impl Broker for Connected {
    async fn publish(&self, batch: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        match *self {
            #[cfg(feature = "nats")]
            Self::Nats(ref link) => link.publish(batch).await,
            #[cfg(feature = "redis")]
            Self::Redis(ref link) => link.publish(batch).await,
            #[cfg(feature = "testing")]
            Self::Memory(ref link) => link.publish(batch).await,
        }
    }

    async fn subscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        match *self {
            #[cfg(feature = "nats")]
            Self::Nats(ref link) => link.subscribe(channels).await,
            #[cfg(feature = "redis")]
            Self::Redis(ref link) => link.subscribe(channels).await,
            #[cfg(feature = "testing")]
            Self::Memory(ref link) => link.subscribe(channels).await,
        }
    }

    async fn unsubscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        match *self {
            #[cfg(feature = "nats")]
            Self::Nats(ref link) => link.unsubscribe(channels).await,
            #[cfg(feature = "redis")]
            Self::Redis(ref link) => link.unsubscribe(channels).await,
            #[cfg(feature = "testing")]
            Self::Memory(ref link) => link.unsubscribe(channels).await,
        }
    }
}

/// The receiver of everything that one connection to a broker reports. Its methods never wait.
#[derive(Clone)]
pub(crate) struct Sink {
    node: Weak<ThisNode>,
    link: u32,
    ended: mpsc::Sender<String>,
}

/// Waits for the end of a connection to a broker.
pub(super) struct EndReceiver(mpsc::Receiver<String>);

impl EndReceiver {
    pub(super) async fn recv(&mut self) -> Ended {
        let why = self.0.recv().await;
        Ended::Broker(why.unwrap_or_else(|| "the connection was closed".to_owned()))
    }
}

impl Sink {
    pub(super) fn new(node: &Arc<ThisNode>, link: u32) -> (Self, EndReceiver) {
        let (ended, receiver) = mpsc::channel(1);
        (Self { node: Arc::downgrade(node), link, ended }, EndReceiver(receiver))
    }

    /// Receives a message.
    pub(crate) fn message(&self, channel: Bytes, message: Bytes) {
        if let Some(node) = self.node.upgrade() {
            node.receive(self.link, channel, message);
        }
    }

    /// Records that the broker's client has dropped received messages.
    #[cfg(feature = "nats")]
    pub(crate) fn lost(&self, messages: usize) {
        if let Some(node) = self.node.upgrade() {
            node.lost(messages);
        }
    }

    /// Records that the broker has refused a message without saying which one.
    #[cfg(feature = "nats")]
    pub(crate) fn refused(&self, error: &str) {
        if let Some(node) = self.node.upgrade() {
            node.refused_unknown(error);
        }
    }

    /// Records that the connection has ended. Only the first reason counts.
    pub(crate) fn ended(&self, why: impl Into<String>) {
        let _ = self.ended.try_send(why.into());
    }
}
