//! socketioxide on axum, with its adapter for Redis as in its documentation. The limits of its
//! buffers are raised, and its heartbeat is longer than a measurement.

use std::time::Duration;

use axum::{Router, serve::ListenerExt as _};
use socketioxide::{
    SocketIo, SocketIoBuilder,
    adapter::Adapter,
    extract::{Data, SocketRef},
    layer::SocketIoLayer,
};
use socketioxide_redis::{
    RedisAdapter, RedisAdapterConfig, RedisAdapterCtr, drivers::redis::redis_client::Client,
};

use crate::cluster::{JOIN, JOINED, LOBBY, SAY};

/// More messages than the load has in flight, so that no buffer refuses one.
const BUFFERED: usize = 8192;

/// Longer than a measurement.
const PING_INTERVAL: Duration = Duration::from_secs(600);

pub(crate) async fn run(broker: Option<String>) -> anyhow::Result<()> {
    let builder: SocketIoBuilder = SocketIo::builder();
    let builder = builder.max_buffer_size(BUFFERED).ping_interval(PING_INTERVAL);
    let Some(url) = broker else {
        let (layer, io) = builder.build_layer();
        io.ns("/", on_connect);
        return serve(layer).await;
    };
    let client = Client::open(format!("{url}?protocol=resp3"))?;
    let config = RedisAdapterConfig::new().with_stream_buffer(BUFFERED);
    let adapter = RedisAdapterCtr::new_with_redis_config(&client, config).await?;
    let (layer, io) = builder.with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", on_connect).await?;
    serve(layer).await
}

async fn serve<A: Adapter>(layer: SocketIoLayer<A>) -> anyhow::Result<()> {
    let listener = super::listen().await?.tap_io(|stream| {
        // A failure would be visible in the figures; the connection works anyway.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().layer(layer)).await?)
}

async fn on_connect<A: Adapter>(socket: SocketRef<A>) {
    socket.on(JOIN, async |socket: SocketRef<A>| {
        socket.join(LOBBY);
        // Fails if the connection has ended.
        let _ = socket.emit(JOINED, &());
    });
    socket.on(SAY, async |socket: SocketRef<A>, Data(text): Data<String>| {
        // The load detects a lost message.
        let _ = socket.within(LOBBY).emit(SAY, &text).await;
    });
}
