//! A client of another library over a real socket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::node::{Ask, Stats};

/// Longer than any step on a busy machine. A test waits for all of it only if it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits, and fails at the timeout instead of hanging.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// A client of one node. Its task receives all the time.
pub(crate) struct Client {
    sender: SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>,
    /// The messages of rooms and users.
    messages: UnboundedReceiver<String>,
    /// The answers of the node.
    answers: UnboundedReceiver<String>,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let connected = within("connect", connect_async(format!("ws://{address}/"))).await;
        let (sender, mut receiver) = connected.unwrap().0.split();
        let (to_messages, messages) = unbounded_channel();
        let (to_answers, answers) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = receiver.next().await {
                let Message::Text(text) = message else { continue };
                let (into, text): (&UnboundedSender<String>, _) = match text.strip_prefix('=') {
                    Some(answer) => (&to_answers, answer),
                    None => (&to_messages, text.as_str()),
                };
                // Fails if the test has dropped the client.
                let _ = into.send(text.to_owned());
            }
        });
        Self { sender, messages, answers }
    }

    pub(crate) async fn send(&mut self, ask: &Ask) {
        self.sender.send(serde_json::to_string(ask).unwrap().into()).await.unwrap();
    }

    /// Sends a command, and returns its answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> String {
        self.send(ask).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> String {
        within("an answer", self.answers.recv()).await.expect("the connection has ended")
    }

    /// The answers that have arrived, without waiting.
    pub(crate) fn arrived_answers(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.answers.try_recv().ok()).collect()
    }

    /// Returns the next answer with this text that has arrived, without waiting.
    pub(crate) fn arrived_answer_with(&mut self, text: &str) -> Option<String> {
        std::iter::from_fn(|| self.answers.try_recv().ok()).find(|answer| answer.contains(text))
    }

    pub(crate) async fn stats(&mut self) -> Stats {
        serde_json::from_str(&self.ask(&Ask::Stats).await).unwrap()
    }

    /// Returns the next answer with this text.
    pub(crate) async fn answer_with(&mut self, text: &str) -> String {
        loop {
            let answer = self.answer().await;
            if answer.contains(text) {
                return answer;
            }
        }
    }

    /// Closes the connection.
    pub(crate) async fn close(mut self) {
        self.sender.close().await.unwrap();
    }

    /// Joins rooms, and waits until all nodes know it.
    pub(crate) async fn join(&mut self, rooms: &[&str]) {
        let ask = Ask::Join(rooms.iter().map(ToString::to_string).collect());
        assert_eq!(self.ask(&ask).await, format!("joined {}", rooms.len()));
    }

    /// Pushes a message to a room.
    pub(crate) async fn say(&mut self, room: &str, text: &str) -> String {
        self.ask(&Ask::Say { room: room.into(), text: text.into() }).await
    }

    pub(crate) async fn message(&mut self) -> String {
        within("a message", self.messages.recv()).await.expect("the connection has ended")
    }

    /// The messages until this one, without it.
    pub(crate) async fn messages_until(&mut self, last: &str) -> Vec<String> {
        let mut messages = Vec::new();
        loop {
            let message = self.message().await;
            if message == last {
                return messages;
            }
            messages.push(message);
        }
    }

    /// The messages that have arrived, without waiting.
    pub(crate) fn arrived(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.messages.try_recv().ok()).collect()
    }
}

/// The numbers of the messages `<name> <number>`, in order.
pub(crate) fn numbers(messages: &[String], name: &str) -> Vec<usize> {
    let numbers = messages.iter().filter_map(|message| message.strip_prefix(name)?.strip_prefix(' '));
    numbers.map(|number| number.parse().unwrap()).collect()
}
