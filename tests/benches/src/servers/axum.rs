//! axum 0.8: `WebSocketUpgrade`, a `broadcast` channel for the room as in its chat example, and one
//! middleware by `from_fn`. All settings are defaults.

use axum::{
    Router,
    extract::{
        Request, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::HeaderValue,
    middleware::{self, Next},
    response::Response,
    routing::any,
    serve::ListenerExt as _,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::broadcast;

/// The number of messages that a slow member may be behind. One message is in flight at a time.
const ROOM_CAPACITY: usize = 100;

pub(super) async fn echo() -> anyhow::Result<()> {
    serve(Router::new().route(super::PATH, any(upgrade))).await
}

pub(super) async fn echo_behind_middleware() -> anyhow::Result<()> {
    serve(Router::new().route(super::PATH, any(upgrade)).layer(middleware::from_fn(stamp))).await
}

pub(super) async fn room() -> anyhow::Result<()> {
    let (room, _) = broadcast::channel(ROOM_CAPACITY);
    serve(Router::new().route(super::PATH, any(join)).with_state(room)).await
}

async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = super::listen().await?.tap_io(|stream| {
        // A failure would be visible in the figures; the connection works anyway.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(serve_echo)
}

async fn stamp(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-served-by", HeaderValue::from_static("bench"));
    response
}

async fn serve_echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if is_data(&message) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn join(upgrade: WebSocketUpgrade, State(room): State<broadcast::Sender<Message>>) -> Response {
    upgrade.on_upgrade(|socket| serve_member(socket, room))
}

async fn serve_member(socket: WebSocket, room: broadcast::Sender<Message>) {
    let (mut output, mut input) = socket.split();
    let mut messages = room.subscribe();
    let mut deliver = tokio::spawn(async move {
        while let Ok(message) = messages.recv().await {
            if output.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut publish = tokio::spawn(async move {
        while let Some(Ok(message)) = input.next().await {
            if is_data(&message) {
                // This fails only without receivers: when this member was the last one and is
                // leaving.
                let _ = room.send(message);
            }
        }
    });
    tokio::select! {
        _ = &mut deliver => publish.abort(),
        _ = &mut publish => deliver.abort(),
    }
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}
