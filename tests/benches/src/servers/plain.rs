//! tokio-tungstenite as in its examples, with its defaults: the loop that sends each answer before
//! the next read, the stream forwarded into the sink, and an unbounded channel for every member of
//! the room.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    SinkExt as _, StreamExt as _, TryStreamExt as _, future,
    stream::{SplitSink, SplitStream},
};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

pub(super) async fn echo() -> anyhow::Result<()> {
    super::serve_each(serve_echo).await
}

pub(super) async fn forward() -> anyhow::Result<()> {
    super::serve_each(serve_forward).await
}

pub(super) async fn room() -> anyhow::Result<()> {
    let members = Members::default();
    super::serve_each(move |stream| serve_member(stream, members.clone())).await
}

async fn serve_echo(stream: TcpStream) -> anyhow::Result<()> {
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if is_data(&message) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn serve_forward(stream: TcpStream) -> anyhow::Result<()> {
    let (output, input) = accept_async(stream).await?.split();
    input.try_filter(|message| future::ready(is_data(message))).forward(output).await?;
    Ok(())
}

type Mailbox = mpsc::UnboundedSender<Message>;

#[derive(Clone, Default)]
struct Members(Arc<Mutex<HashMap<SocketAddr, Mailbox>>>);

impl Members {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<SocketAddr, Mailbox>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve_member(stream: TcpStream, members: Members) -> anyhow::Result<()> {
    let peer = stream.peer_addr()?;
    let (output, input) = accept_async(stream).await?.split();
    let (mailbox, mail) = mpsc::unbounded_channel();
    members.with(|members| members.insert(peer, mailbox));
    tokio::select! {
        _ = publish(input, &members) => {}
        _ = deliver(mail, output) => {}
    }
    members.with(|members| members.remove(&peer));
    Ok(())
}

async fn publish(
    input: SplitStream<WebSocketStream<TcpStream>>,
    members: &Members,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    input
        .try_filter(|message| future::ready(is_data(message)))
        .try_for_each(|message| {
            members.with(|members| {
                for mailbox in members.values() {
                    // A closed member is removed by its own task.
                    let _ = mailbox.send(message.clone());
                }
            });
            future::ok(())
        })
        .await
}

async fn deliver(
    mail: mpsc::UnboundedReceiver<Message>,
    output: SplitSink<WebSocketStream<TcpStream>, Message>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let mail = futures_util::stream::unfold(mail, async |mut mail| Some((mail.recv().await?, mail)));
    mail.map(Ok).forward(output).await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
