//! NATS: one connection of its client, core protocol only.
//!
//! **Confirmations.** NATS acknowledges nothing, and its client's `flush` only writes. The server
//! executes the commands of one connection in order, so a message to a subject of this link alone,
//! a *fence*, comes back after everything before it was executed. In a cluster of NATS servers this
//! is true for the server of this connection; the others get a subscription a little later.
//!
//! **Subscriptions.** A node subscribes [buckets](subjects) of groups, because a subscription takes
//! 5 KiB in the client (measured), and a subscription of each group would take 500 MB for 100 000.
//! A group in a bucket that is subscribed already costs the servers nothing. Messages to other
//! groups of a bucket are dropped before they are decoded. [`inline`] keeps the order of messages.
//!
//! **The end.** The client would connect again, send its queued messages, and hide the gap. This
//! cannot be switched off. So the client is given a second server that does not exist, and connects
//! to that one after the first connection: its task ends, which ends the subscriptions and so the
//! link. If the server does not read, a replaced link may send its messages later; receivers drop
//! them by the number of the link.

mod fences;
mod inline;
mod subjects;

use std::{
    collections::{HashMap, HashSet},
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, Message, ReconnectToServer, ServerAddr, Subject, Subscriber,
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tokio::sync::{Mutex as OrderedMutex, MutexGuard as OrderedGuard};
use tokio_rustls::rustls::ClientConfig;

use self::{
    fences::Fences,
    inline::{Handle, Inline},
};
use super::{Broker, BrokerError, PublishError, Sink, tls};
use crate::{
    config::{self, ClusterTls},
    hub::cluster::outgoing::Outgoing,
    random,
    sync::Mutex,
};

const CLOSED: &str = "NATS has closed the connection";

/// The server that the client connects to after it has lost the first one. Nothing can listen on
/// port 0.
const NO_SERVER: &str = "nats://0.0.0.0:0";

/// The commands that may wait for the client.
const COMMANDS: usize = 8192;

/// A payload up to this size is copied, because it would keep the client's whole buffer alive while
/// it waits for delivery.
const COPIED: usize = 16 << 10;

/// The address, the login and the certificates of a NATS server.
pub(crate) struct Nats {
    server: ServerAddr,
    no_server: ServerAddr,
    login: Login,
    tls: ClientConfig,
    /// The name of the connection in the server's reports.
    name: String,
    prefix: String,
    heartbeat: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Login {
    None,
    Token(String),
    User(String, String),
}

impl Nats {
    pub(super) fn new(config: &config::Cluster) -> Result<Self, String> {
        let url = config.url.expose();
        let is_tls = url.starts_with("tls://");
        // The client's error may contain the address, and with it the password.
        let (server, login) = address(url).ok_or(
            "`cluster.url` is not the address of a NATS server; write `nats://host:4222`, \
             `nats://user:password@host:4222`, `nats://token@host:4222`, or `tls://..` for TLS",
        )?;
        if !is_tls && config.tls != ClusterTls::default() {
            return Err("`cluster.tls` has no effect: `cluster.url` does not begin with `tls://`".to_owned());
        }
        Ok(Self {
            server,
            no_server: NO_SERVER.parse().map_err(|error| format!("{NO_SERVER}: {error}"))?,
            login,
            tls: tls::config(&config.tls)?,
            name: config.name.clone().unwrap_or_else(|| config.prefix.clone()),
            prefix: config.prefix.clone(),
            heartbeat: config.heartbeat,
        })
    }

    pub(super) async fn connect(&self, sink: Sink) -> Result<NatsLink, BrokerError> {
        let fence = Subject::from(format!("{}.1.fence.{:016x}", self.prefix, random::number()));
        let servers = vec![self.server.clone(), self.no_server.clone()];
        let client = self.options(sink.clone()).connect(servers).await.map_err(|error| {
            BrokerError(format!("NATS: {}:{}: {error}", self.server.host(), self.server.port()))
        })?;
        let received = Received { sink, fence, fences: Fences::default(), wanted: Mutex::default() };
        let mut link = NatsLink {
            client,
            received: Arc::new(received),
            subscriptions: OrderedMutex::new(Subscriptions::default()),
        };
        let fence = link.open(link.received.fence.to_string()).await?;
        link.subscriptions.get_mut().fence = Some(fence);
        Ok(link)
    }

    fn options(&self, sink: Sink) -> ConnectOptions {
        let is_first = AtomicBool::new(true);
        let (server, no_server) = (self.server.clone(), self.no_server.clone());
        let options = ConnectOptions::new()
            .name(&self.name)
            .tls_client_config(self.tls.clone())
            .client_capacity(COMMANDS)
            .ignore_discovered_servers()
            .retain_servers_order()
            .reconnect_to_server_callback(move |_, _| {
                let is_first = is_first.swap(false, Ordering::Relaxed);
                let addr = if is_first { &server } else { &no_server };
                ready(Some(ReconnectToServer { addr: addr.clone(), delay: Some(Duration::ZERO) }))
            })
            .max_reconnects(1)
            // The client of a replaced link ends after three missing answers.
            .ping_interval(self.heartbeat)
            .event_callback(move |event| {
                report(&sink, &event);
                ready(())
            });
        match &self.login {
            Login::None => options,
            Login::Token(token) => options.token(token.clone()),
            Login::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        }
    }
}

/// Reads an address, and removes the login from it.
fn address(url: &str) -> Option<(ServerAddr, Login)> {
    if !url.starts_with("nats://") && !url.starts_with("tls://") {
        return None;
    }
    let mut url = url.parse::<ServerAddr>().ok()?.into_inner();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let login = match (decoded(url.username())?, url.password()) {
        (user, Some(password)) if !user.is_empty() => Login::User(user, decoded(password)?),
        (_, Some(_)) => return None,
        (token, None) if !token.is_empty() => Login::Token(token),
        (_, None) => Login::None,
    };
    url.set_password(None).ok()?;
    url.set_username("").ok()?;
    let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    let server = ServerAddr::from_url(url).ok()?;
    (!server.host().is_empty() && !has_more).then_some((server, login))
}

/// Passes on the reports of the client. Its queues lose no messages, because they do not fill; the
/// report of a loss is handled nevertheless.
fn report(sink: &Sink, event: &Event) {
    match event {
        Event::SlowConsumer(_) => sink.lost(1),
        Event::Disconnected => sink.ended(CLOSED),
        Event::ServerError(error) => {
            let error = error.to_string();
            if error.to_lowercase().contains("permissions violation for publish") {
                sink.refused(&error);
            } else {
                // A refused subscription ends the link, too, because its messages would be missed.
                sink.ended(error);
            }
        }
        _ => {}
    }
}

/// A connection to NATS. Dropping it ends the connection.
pub(crate) struct NatsLink {
    client: Client,
    received: Arc<Received>,
    /// Locked while commands are given to the client, so that those of two calls do not mix: the
    /// lock is given in the order of the calls.
    subscriptions: OrderedMutex<Subscriptions>,
}

#[derive(Default)]
struct Subscriptions {
    fence: Option<Inline<Subscriber, Received>>,
    /// By subject.
    channels: HashMap<String, Shared>,
}

/// A subscription of one or more channels.
struct Shared {
    channels: usize,
    subscription: Inline<Subscriber, Received>,
}

impl NatsLink {
    async fn open(&self, subject: String) -> Result<Inline<Subscriber, Received>, BrokerError> {
        let subscriber =
            self.client.subscribe(subject).await.map_err(|error| BrokerError(error.to_string()))?;
        Ok(Inline::new(subscriber, Arc::clone(&self.received)))
    }

    async fn send(&self, outgoing: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { channel, message, .. } = outgoing;
        let most = self.client.max_payload();
        if message.len() > most {
            let size = message.len();
            return Err(PublishError::TooLarge(format!(
                "NATS accepts at most {most} bytes (`max_payload`), not {size}"
            )));
        }
        let sent = self.client.publish(subjects::subject(channel), Bytes::copy_from_slice(message)).await;
        sent.map_err(|error| PublishError::Unknown(format!("NATS: {error}")))
    }

    /// Waits until the server has executed the commands so far. Further calls may give theirs
    /// meanwhile.
    async fn fence(&self, order: OrderedGuard<'_, Subscriptions>) -> Result<(), BrokerError> {
        let (number, passed) = self.received.fences.open();
        let number = Bytes::copy_from_slice(&number.to_be_bytes());
        let sent = self.client.publish(self.received.fence.clone(), number).await;
        drop(order);
        sent.map_err(|error| BrokerError(format!("NATS: {error}")))?;
        passed.await.map_err(|_| BrokerError(CLOSED.to_owned()))
    }
}

impl Broker for NatsLink {
    async fn publish(&self, batch: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        let order = self.subscriptions.lock().await;
        let mut outcomes = Vec::with_capacity(batch.len());
        for outgoing in batch {
            outcomes.push(self.send(outgoing).await);
        }
        if let Err(error) = self.fence(order).await {
            for outcome in outcomes.iter_mut().filter(|it| it.is_ok()) {
                *outcome = Err(PublishError::Unknown(error.0.clone()));
            }
        }
        outcomes
    }

    async fn subscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        let mut subscriptions = self.subscriptions.lock().await;
        for channel in channels {
            if !self.received.wanted.lock().insert(subjects::subject(channel).into()) {
                continue;
            }
            let subject = subjects::subscription(channel);
            if let Some(shared) = subscriptions.channels.get_mut(&subject) {
                shared.channels += 1;
            } else {
                let subscription = self.open(subject.clone()).await?;
                subscriptions.channels.insert(subject, Shared { channels: 1, subscription });
            }
        }
        self.fence(subscriptions).await
    }

    async fn unsubscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        let mut subscriptions = self.subscriptions.lock().await;
        for channel in channels {
            if !self.received.wanted.lock().remove(&*subjects::subject(channel)) {
                continue;
            }
            let subject = subjects::subscription(channel);
            let Some(shared) = subscriptions.channels.get_mut(&subject) else { continue };
            shared.channels -= 1;
            if shared.channels == 0
                && let Some(Shared { subscription, .. }) = subscriptions.channels.remove(&subject)
                && let Some(mut subscriber) = subscription.take()
            {
                let ended = subscriber.unsubscribe().await;
                ended.map_err(|error| BrokerError(format!("NATS: {error}")))?;
            }
        }
        self.fence(subscriptions).await
    }
}

/// The receiver of all subscriptions of a link.
struct Received {
    sink: Sink,
    /// The subject of this link's fences.
    fence: Subject,
    fences: Fences,
    /// The subjects of the subscribed channels. Other messages of their buckets are dropped.
    wanted: Mutex<HashSet<Box<str>>>,
}

impl Handle<Message> for Received {
    fn item(&self, message: Message) {
        let Message { subject, payload, .. } = message;
        if subject == self.fence {
            return self.fences.pass(&payload);
        }
        if self.wanted.lock().contains(&*subject) {
            let payload = if payload.len() > COPIED { payload } else { Bytes::copy_from_slice(&payload) };
            self.sink.message(subjects::channel(&subject).into(), payload);
        }
    }

    fn end(&self) {
        self.sink.ended(CLOSED);
        self.fences.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerKind, Cluster};

    fn nats(url: &str) -> Result<Nats, String> {
        Nats::new(&Cluster::new(BrokerKind::Nats, url))
    }

    #[test]
    fn an_address_that_is_not_a_nats_server_is_refused_without_its_password() {
        for url in [
            "",
            "secret",
            "redis://:secret@h",
            "ws://u:secret@h",
            "nats://",
            "nats://u:secret@",
            "nats://u:secret@h:x",
            "nats://:secret@h",
            "nats://u:secret@h/path",
            "nats://u:secret@h?tls=1",
            "nats://u:sec/ret@h",
            "nats://u:secret%ff@h",
        ] {
            let error = nats(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(error.contains("nats://host:4222") && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn an_address_has_a_host_a_port_and_a_login_or_a_token() {
        let user = |name: &str, password: &str| Login::User(name.into(), password.into());
        for (url, host, port, login) in [
            ("nats://127.0.0.1", "127.0.0.1", 4222, Login::None),
            ("nats://[::1]:7/", "::1", 7, Login::None),
            ("nats://u%40:p%2F@h:1", "h", 1, user("u@", "p/")),
            ("tls://t%3Ak@h", "h", 4222, Login::Token("t:k".into())),
        ] {
            let nats = nats(url).unwrap();
            assert_eq!((nats.server.host(), nats.server.port(), nats.login), (host, port, login), "{url}");
            assert_eq!(nats.server.tls_required(), url.starts_with("tls"));
            assert!(!nats.server.has_user_pass() && nats.server.password().is_none());
        }
    }
}
