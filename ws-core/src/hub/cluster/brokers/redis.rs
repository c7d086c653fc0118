//! Redis: two connections, one that publishes and one that subscribes.
//!
//! The connections are bare: neither connects again by itself, and the end of one ends both. Pushed
//! messages come through RESP3, so the subscribing connection can confirm subscriptions while it
//! receives. The streams are opened here and given to the client, so that TLS uses the same crypto
//! provider as the rest of this crate.

use std::sync::Arc;

use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, IntoConnectionInfo as _, Pipeline, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisError, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{Broker, BrokerError, PublishError, Sink, tls};
use crate::{
    config::{self, ClusterTls},
    hub::cluster::outgoing::Outgoing,
};

const PUBLISH: &str = "PUBLISH";

/// The address, the user and the certificates of a Redis.
pub(crate) struct Redis {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    user: RedisConnectionInfo,
}

impl Redis {
    pub(super) fn new(config: &config::Cluster) -> Result<Self, String> {
        let url = config.url.expose();
        let is_tls = url.starts_with("rediss://");
        if !is_tls && config.tls != ClusterTls::default() {
            return Err(
                "`cluster.tls` has no effect: `cluster.url` does not begin with `rediss://`".to_owned()
            );
        }
        let plain = if is_tls { url.replacen("rediss://", "redis://", 1) } else { url.to_owned() };
        // The client's error may contain the address, and with it the password.
        let expected = "`cluster.url` is not the address of a Redis; write `redis://host:6379`, \
                        `redis://user:password@host:6379`, or `rediss://..` for TLS";
        let info = plain.into_connection_info().map_err(|_| expected.to_owned())?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else { return Err(expected.to_owned()) };
        let user = info.redis_settings().clone();
        let user = user.set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        let tls = if is_tls { Some(connector(&config.tls, &host)?) } else { None };
        Ok(Self { host, port, tls, user })
    }

    pub(super) async fn connect(&self, sink: Sink) -> Result<RedisLink, BrokerError> {
        let mut drivers = JoinSet::new();
        let received = sink.clone();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let subscribing = config.clone().set_push_sender(move |push: PushInfo| receive(&received, push));
        let publisher = self.open(config, &sink, &mut drivers).await?;
        let subscriber = self.open(subscribing, &sink, &mut drivers).await?;
        Ok(RedisLink { publisher, subscriber, _drivers: drivers })
    }

    /// Opens one connection and spawns its driver, which reports its end.
    async fn open(
        &self,
        config: AsyncConnectionConfig,
        sink: &Sink,
        drivers: &mut JoinSet<()>,
    ) -> Result<MultiplexedConnection, BrokerError> {
        let failed = |error: std::io::Error| BrokerError(format!("{}:{}: {error}", self.host, self.port));
        let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        match &self.tls {
            None => self.start(stream, config, sink, drivers).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(failed)?;
                self.start(stream, config, sink, drivers).await
            }
        }
    }

    async fn start(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        config: AsyncConnectionConfig,
        sink: &Sink,
        drivers: &mut JoinSet<()>,
    ) -> Result<MultiplexedConnection, BrokerError> {
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&self.user, stream, config).await.map_err(failure)?;
        let sink = sink.clone();
        drivers.spawn(async move {
            driver.await;
            sink.ended("Redis has closed the connection");
        });
        Ok(connection)
    }
}

/// Both connections to a Redis. Dropping it ends them.
pub(crate) struct RedisLink {
    publisher: MultiplexedConnection,
    subscriber: MultiplexedConnection,
    _drivers: JoinSet<()>,
}

impl Broker for RedisLink {
    async fn publish(&self, batch: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        for Outgoing { channel, message, .. } in batch {
            let mut command = Cmd::with_capacity(3, PUBLISH.len() + channel.len() + message.len());
            command.arg(PUBLISH).arg(channel).arg(&**message);
            pipeline.add_command(command);
        }
        let sent = self.publisher.clone().req_packed_commands(&pipeline, 0, batch.len()).await;
        match sent {
            Ok(values) => values
                .into_iter()
                .map(|value| match value {
                    Value::ServerError(error) => Err(PublishError::Refused(error.to_string())),
                    _ => Ok(()),
                })
                .collect(),
            Err(error) => vec![Err(PublishError::Unknown(failure(error).0)); batch.len()],
        }
    }

    async fn subscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        self.subscriber.clone().subscribe(channels).await.map_err(failure)
    }

    async fn unsubscribe(&self, channels: &[String]) -> Result<(), BrokerError> {
        self.subscriber.clone().unsubscribe(channels).await.map_err(failure)
    }
}

/// Passes a pushed message on. Pushes of other kinds are confirmations, which the client counts.
fn receive(sink: &Sink, push: PushInfo) -> Result<(), std::convert::Infallible> {
    if push.kind == PushKind::Message
        && let Ok([Value::BulkString(channel), Value::BulkString(message)]) =
            <[Value; 2]>::try_from(push.data)
    {
        sink.message(Bytes::from(channel), Bytes::from(message));
    }
    Ok(())
}

fn failure(error: RedisError) -> BrokerError {
    BrokerError(format!("Redis: {error}"))
}

fn connector(tls: &ClusterTls, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let config = tls::config(tls)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|_| "`cluster.url` has no valid host name".to_owned())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerKind, Cluster};

    #[test]
    fn an_address_that_is_not_a_redis_is_refused_without_its_password() {
        for url in [
            "",
            "http://:secret@h",
            "redis://:secret@h:x",
            "redis+unix:///secret",
            "secret",
            "redis://h/secret",
        ] {
            let error = Redis::new(&Cluster::new(BrokerKind::Redis, url)).err().unwrap();
            assert!(error.contains("redis://host:6379") && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn an_address_has_a_host_a_port_and_credentials() {
        for (url, host, port, user, password) in [
            ("redis://127.0.0.1", "127.0.0.1", 6379, None, None),
            ("redis://u%40:p%2F@h:1/2", "h", 1, Some("u@"), Some("p/")),
            ("rediss://:p@h:1", "h", 1, None, Some("p")),
        ] {
            let redis = Redis::new(&Cluster::new(BrokerKind::Redis, url)).unwrap();
            assert_eq!((&*redis.host, redis.port), (host, port), "{url}");
            assert_eq!((redis.user.username(), redis.user.password()), (user, password), "{url}");
            assert_eq!(redis.tls.is_some(), url.starts_with("rediss"));
        }
    }
}
