//! The asks of clients on other nodes: the search for a connection, the ask, and its service on the
//! node of the client.
//!
//! The search only counts connections, so it may be repeated. The ask goes to one node, which
//! chooses one of its connections; it is never sent twice.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{
    ThisNode,
    handle::ClusterState,
    names::Channel,
    wire::{About, Answer, Ask, Body, Failure, Found, Message, Question, ResultPart},
};
use crate::{
    connection::AskError,
    fixed,
    hub::{
        Live, NotSent, Remote,
        target::Target,
        user_at::{Answered, Encoded, no_format},
    },
};

/// The connections to search for.
#[derive(Debug)]
pub(in crate::hub) struct Sought {
    pub(in crate::hub) channel: Channel,
    pub(in crate::hub) at: Option<bytes::Bytes>,
}

impl Sought {
    fn message(&self, body: Body) -> Message {
        Message { at: self.at.clone(), ..Message::new(body) }
    }
}

impl ThisNode {
    /// Asks one client of another node.
    pub(in crate::hub) async fn ask_client(
        &self,
        sought: &Sought,
        encoded: Encoded,
        wait: Duration,
    ) -> Result<Answered, AskError> {
        let asked = self.find_and_ask(sought, encoded, wait);
        timeout(wait, asked).await.map_err(|_| AskError::TimedOut(wait))?
    }

    async fn find_and_ask(
        &self,
        sought: &Sought,
        encoded: Encoded,
        wait: Duration,
    ) -> Result<Answered, AskError> {
        let began = Instant::now();
        // A connection may end between the search and the ask. Nothing was sent then.
        for _ in 0..fixed::ASK_SEARCHES {
            let Some(node) = self.find(sought).await? else { return Err(AskError::Offline) };
            let left = wait.saturating_sub(began.elapsed());
            let answer = self.ask_node(node, sought, &encoded, left).await?;
            return Err(match answer {
                Answer::Message(format, message) => return Ok(Answered { format, message }),
                Answer::Failed(Failure::Offline) => continue,
                Answer::Failed(Failure::Closed(connection)) => AskError::Closed { connection },
                Answer::Failed(Failure::TimedOut) => AskError::TimedOut(wait),
                Answer::Failed(Failure::TooMany) => AskError::TooMany,
                Answer::Failed(Failure::TooLarge) => {
                    AskError::Invalid("the answer is larger than `cluster.message`".to_owned())
                }
                Answer::Failed(Failure::NoFormat) => no_format(),
                Answer::Unreadable => {
                    AskError::Invalid("the answer has a format that this node does not read".to_owned())
                }
            });
        }
        Err(AskError::Offline)
    }

    /// Returns a node that has connections, or `None` if no node has.
    async fn find(&self, sought: &Sought) -> Result<Option<u32>, AskError> {
        if self.state() != ClusterState::Up {
            return Err(AskError::Unreachable);
        }
        let mut silent = self.nodes.names();
        let mut open = self.questions.open().ok_or(AskError::TooMany)?;
        let question = Question { id: open.id, about: About::Count, channel: sought.channel.name().into() };
        not_sent(self.publish(&Channel::Nodes, &sought.message(Body::Question(question))))?;
        let search = async {
            while !silent.is_empty() {
                let received = open.received.recv().await?;
                match received.part.found {
                    Found::Count(0) => _ = silent.remove(&received.node),
                    Found::Count(_) => return Some(received.node),
                    Found::Ids(_) | Found::Answer(_) => {}
                }
            }
            None
        };
        let found = timeout(fixed::QUESTION_TIMEOUT, search).await;
        found.map_err(|_| AskError::Unreachable)
    }

    /// Asks one client of a node.
    async fn ask_node(
        &self,
        node: u32,
        sought: &Sought,
        encoded: &Encoded,
        wait: Duration,
    ) -> Result<Answer, AskError> {
        let mut open = self.questions.open().ok_or(AskError::TooMany)?;
        let ask = Ask {
            id: open.id,
            reference: encoded.reference,
            wait_millis: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            channel: sought.channel.name().into(),
            events: encoded.events.clone(),
        };
        let message = sought.message(Body::Ask(ask));
        // With an unknown outcome the answer may still arrive.
        not_sent(self.publish_accepted(&Channel::Node(node), &message).await)?;
        while let Some(received) = open.received.recv().await {
            if received.node == node
                && let Found::Answer(answer) = received.part.found
            {
                return Ok(answer);
            }
        }
        // The sender exists as long as the question.
        Err(AskError::Unreachable)
    }

    /// Asks a client of this node for another node.
    pub(super) fn serve_ask(self: &Arc<Self>, live: &Live, from: u32, target: Option<&Target>, ask: Ask) {
        let Ask { id, reference, wait_millis, events, .. } = ask;
        let Some(connection) = target.and_then(Target::open_member) else {
            return self.answer_ask(from, id, Answer::Failed(Failure::Offline));
        };
        let Ok(permit) = Arc::clone(&self.served_asks).try_acquire_owned() else {
            return self.answer_ask(from, id, Answer::Failed(Failure::TooMany));
        };
        let node = Arc::downgrade(self);
        // It ends with the connection at the latest, so it does not delay the shutdown.
        live.spawn(async move {
            let wait = Duration::from_millis(wait_millis.into());
            let asked = Encoded { reference, events }.ask(&connection, wait).await;
            drop(permit);
            if let Some(node) = Weak::upgrade(&node) {
                node.answer_ask(from, id, answer(asked));
            }
        });
    }

    fn answer_ask(&self, to: u32, id: u64, answer: Answer) {
        let channel = Channel::Node(to);
        let message = |answer| {
            let part = ResultPart { id, number: 0, is_last: true, found: Found::Answer(answer) };
            Message::new(Body::Result(part))
        };
        // If the answer is not sent, the ask times out on the asking node.
        if let Remote::NotSent(NotSent::TooLarge) = self.publish(&channel, &message(answer)) {
            let _ = self.publish(&channel, &message(Answer::Failed(Failure::TooLarge)));
        }
    }
}

/// Returns the error of a message that no other node received.
fn not_sent(remote: Remote) -> Result<(), AskError> {
    match remote {
        Remote::NotSent(NotSent::Unreachable) => Err(AskError::Unreachable),
        Remote::NotSent(not_sent) => Err(AskError::NotSent(not_sent)),
        _ => Ok(()),
    }
}

/// Returns the outcome of an ask of a client of this node, for another node.
fn answer(asked: Result<Answered, AskError>) -> Answer {
    Answer::Failed(match asked {
        Ok(Answered { format, message }) => return Answer::Message(format, message),
        Err(AskError::Closed { connection }) => Failure::Closed(connection),
        Err(AskError::TooMany) => Failure::TooMany,
        Err(AskError::Send(_)) => Failure::NoFormat,
        // A connection returns no other error.
        Err(_) => Failure::TimedOut,
    })
}
