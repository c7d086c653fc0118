//! [`Router`]: passes each received message to its call, its subscriber or its reader of asks.
//!
//! The task of the client calls it as its [`Inbox`]; the handles reach the same state under a lock,
//! which is never held across an await. It must not wait for a reader: each queue has a limit, and
//! its documentation says what happens at the limit. It decodes no data and runs no code of users.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::Sleep,
};

use super::{asked::Asker, failed::CallFailed, state::ClientState};
use crate::{
    client::{
        connection::Client,
        driver::{Arrival, Ended, Inbox, Outgoing},
        error::ClientError,
    },
    connection::is_ask_ref,
    envelope::{Envelope, Format},
    sync::{Mutex, MutexGuard},
    throttle::Throttle,
    wire::{CloseReason, Message},
};

/// The calls without a reply.
const MAX_CALLS: usize = 1024;
/// The events that wait for one subscriber.
const MAX_EVENTS: usize = 64;
/// The questions of one name that wait for their reader.
const MAX_QUESTIONS: usize = 16;
/// The answers that wait for the task. A server of this project has at most 64 outstanding asks.
const MAX_ANSWERS: usize = 64;
/// The longest wait for the first use of a client, before its task reads.
const START_WITHIN: Duration = Duration::from_secs(1);

/// A message, and the format of its connection.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) format: Format,
    pub(super) message: Message,
}

impl Arrived {
    /// Decodes the data of the envelope.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        let envelope = Envelope::read(self.format, &self.message).map_err(|error| error.to_string())?;
        envelope.decode_data().map_err(|error| error.to_string())
    }
}

/// A part of the answer to a call. All but `Reply` end it.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Arrived),
    End,
    Refused(Arrived),
    Lost(CloseReason),
    Lagged,
}

/// The future or the stream that waits for the replies to a call.
enum Caller {
    One(oneshot::Sender<Outcome>),
    /// It keeps one place free for the end.
    Many(mpsc::Sender<Outcome>),
}

impl Caller {
    /// Gives it its last outcome. Sending fails if the caller was dropped.
    fn finish(self, outcome: Outcome) {
        match self {
            Self::One(waiting) => drop(waiting.send(outcome)),
            Self::Many(waiting) => drop(waiting.try_send(outcome)),
        }
    }
}

/// The shared part of all handles of a typed client.
pub(super) struct Router {
    inner: Mutex<Inner>,
    state: watch::Sender<ClientState>,
    unclaimed: Throttle,
    send_deadline: Duration,
}

struct Inner {
    format: Format,
    is_open: bool,
    has_ended: bool,
    /// The number of connections that were lost. A question belongs to one connection.
    losses: u64,
    /// Why the last one was lost.
    lost: CloseReason,
    /// Whether the task reads. Before the first use of a handle it has no subscribers.
    has_started: bool,
    /// The task, to be woken for an answer.
    task: Option<Waker>,
    last_ref: u64,
    calls: HashMap<u64, Caller>,
    events: HashMap<&'static str, broadcast::Sender<Arrived>>,
    questions: HashMap<&'static str, mpsc::Sender<(Arrived, Asker)>>,
    others: Option<broadcast::Sender<Arrived>>,
    answers: VecDeque<Outgoing>,
}

impl Router {
    pub(super) fn new(format: Format, send_deadline: Duration) -> Arc<Self> {
        let inner = Inner {
            format,
            is_open: true,
            has_ended: false,
            losses: 0,
            lost: CloseReason::Aborted,
            has_started: false,
            task: None,
            last_ref: 0,
            calls: HashMap::new(),
            events: HashMap::new(),
            questions: HashMap::new(),
            others: None,
            answers: VecDeque::new(),
        };
        let (state, _) = watch::channel(ClientState::Open);
        Arc::new(Self { inner: Mutex::new(inner), state, unclaimed: Throttle::default(), send_deadline })
    }

    pub(super) fn state(&self) -> &watch::Sender<ClientState> {
        &self.state
    }

    pub(super) fn format(&self) -> Format {
        self.lock().format
    }

    /// Allows the task to read.
    pub(super) fn start(&self) {
        let mut inner = self.lock();
        if !inner.has_started {
            inner.has_started = true;
            inner.wake();
        }
    }

    /// Chooses the `ref` of a call.
    pub(super) fn next_ref(&self) -> u64 {
        let mut inner = self.lock();
        inner.last_ref += 1;
        inner.last_ref
    }

    /// Registers a call with one reply, before it is sent.
    pub(super) fn begin_one(
        self: &Arc<Self>,
        id: u64,
    ) -> Result<(oneshot::Receiver<Outcome>, Registration), CallFailed> {
        let (waiting, outcome) = oneshot::channel();
        Ok((outcome, self.begin(id, Caller::One(waiting))?))
    }

    /// Registers a call with many replies, of which `buffer` may wait.
    pub(super) fn begin_many(
        self: &Arc<Self>,
        id: u64,
        buffer: usize,
    ) -> Result<(mpsc::Receiver<Outcome>, Registration), CallFailed> {
        let (waiting, outcomes) = mpsc::channel(buffer.saturating_add(1));
        Ok((outcomes, self.begin(id, Caller::Many(waiting))?))
    }

    fn begin(self: &Arc<Self>, id: u64, caller: Caller) -> Result<Registration, CallFailed> {
        let mut inner = self.lock();
        if !inner.is_open {
            return Err(CallFailed::NotConnected);
        }
        if inner.calls.len() >= MAX_CALLS {
            return Err(CallFailed::TooMany);
        }
        inner.calls.insert(id, caller);
        Ok(Registration { router: Arc::clone(self), id })
    }

    /// Subscribes to the events of a name.
    pub(super) fn subscribe(&self, name: &'static str) -> broadcast::Receiver<Arrived> {
        let mut inner = self.lock();
        if inner.has_ended {
            return broadcast::channel(1).1;
        }
        inner.events.entry(name).or_insert_with(|| broadcast::Sender::new(MAX_EVENTS)).subscribe()
    }

    /// Subscribes to all messages without another reader.
    pub(super) fn subscribe_to_others(&self) -> broadcast::Receiver<Arrived> {
        let mut inner = self.lock();
        if inner.has_ended {
            return broadcast::channel(1).1;
        }
        inner.others.get_or_insert_with(|| broadcast::Sender::new(MAX_EVENTS)).subscribe()
    }

    /// Takes the questions of a name, in place of the earlier reader.
    pub(super) fn take_questions(&self, name: &'static str) -> mpsc::Receiver<(Arrived, Asker)> {
        let (sender, receiver) = mpsc::channel(MAX_QUESTIONS);
        let mut inner = self.lock();
        let before = if inner.has_ended { Some(sender) } else { inner.questions.insert(name, sender) };
        drop(inner);
        drop(before);
        receiver
    }

    pub(super) fn send_deadline(&self) -> Duration {
        self.send_deadline
    }

    /// Queues an answer to a question of the connection with this number of losses before it.
    pub(super) fn answer(&self, losses: u64, answer: Outgoing) -> Result<(), ClientError> {
        let mut inner = self.lock();
        if !inner.is_open || inner.losses != losses {
            return Err(ClientError::Closed(inner.lost.clone()));
        }
        if inner.answers.len() >= MAX_ANSWERS {
            return Err(ClientError::Timeout { after: Duration::ZERO });
        }
        inner.answers.push_back(answer);
        inner.wake();
        Ok(())
    }

    /// Returns why the connection of a question was lost.
    pub(super) fn lost(&self) -> CloseReason {
        self.lock().lost.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Routes a message.
    fn route(self: &Arc<Self>, message: Message) {
        let mut inner = self.lock();
        let arrived = Arrived { format: inner.format, message };
        let Ok(envelope) = Envelope::read(arrived.format, &arrived.message) else {
            return self.unclaimed(inner, &arrived, "a message that is not an envelope");
        };
        let Some(reference) = envelope.reference else {
            return match inner.events.get(envelope.event()).map(|event| event.send(arrived.clone())) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.unclaimed(inner, &arrived, "an event"),
            };
        };
        let text = reference.as_str().unwrap_or_default();
        if is_ask_ref(reference) {
            let asker = Asker::new(Arc::clone(self), &text, arrived.format, inner.losses);
            let taker = inner.questions.get(envelope.event()).cloned();
            // A dropped question is answered, which takes the lock.
            drop(inner);
            return asker.give_to(taker, arrived.clone());
        }
        let Some(id) = text.parse().ok().filter(|id| inner.calls.contains_key(id)) else {
            tracing::debug!(reference = &*text, "a reply arrived whose call no longer waits");
            return;
        };
        match envelope.event() {
            "error" => inner.finish(id, Outcome::Refused(arrived.clone())),
            "end" => inner.finish(id, Outcome::End),
            _ => inner.reply(id, arrived.clone()),
        }
    }

    /// Gives a message to the subscribers of others, or logs that there are none.
    fn unclaimed(&self, inner: MutexGuard<'_, Inner>, arrived: &Arrived, kind: &'static str) {
        if inner.others.as_ref().is_some_and(|others| others.send(arrived.clone()).is_ok()) {
            return;
        }
        drop(inner);
        if let Some(skipped) = self.unclaimed.due() {
            let event = Envelope::read(arrived.format, &arrived.message).ok();
            let event = event.as_ref().map(|event| crate::throttle::shown(event.event().as_bytes()));
            tracing::warn!(
                event,
                skipped,
                "{kind} of the server has no reader; subscribe to it, or take `others()`"
            );
        }
    }

    /// Fails all calls, and drops the answers that were not sent.
    fn lose(&self, lost: &CloseReason, state: ClientState) {
        let mut inner = self.lock();
        inner.is_open = false;
        inner.losses += 1;
        inner.lost = lost.clone();
        let calls = std::mem::take(&mut inner.calls);
        let answers = std::mem::take(&mut inner.answers);
        // The state has its own lock, which a reader may hold.
        drop(inner);
        self.state.send_replace(state);
        drop(answers);
        for caller in calls.into_values() {
            caller.finish(Outcome::Lost(lost.clone()));
        }
    }

    /// Ends all streams. What they have received can still be read.
    fn end(&self, ended: Ended) {
        self.lose(&ended.clone().reason(), ended.into());
        let mut inner = self.lock();
        inner.has_ended = true;
        let (events, others) = (std::mem::take(&mut inner.events), inner.others.take());
        let questions = std::mem::take(&mut inner.questions);
        drop(inner);
        drop((events, others, questions));
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    fn finish(&mut self, id: u64, outcome: Outcome) {
        if let Some(caller) = self.calls.remove(&id) {
            caller.finish(outcome);
        }
    }

    /// Gives a reply to its call. The last place in the buffer of a stream is for its end.
    fn reply(&mut self, id: u64, arrived: Arrived) {
        match self.calls.get(&id) {
            Some(Caller::Many(waiting)) if waiting.capacity() > 1 => {
                let _ = waiting.try_send(Outcome::Reply(arrived));
            }
            Some(Caller::Many(_)) => self.finish(id, Outcome::Lagged),
            Some(Caller::One(_)) => self.finish(id, Outcome::Reply(arrived)),
            None => {}
        }
    }
}

/// Removes its call on drop.
pub(super) struct Registration {
    router: Arc<Router>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let caller = self.router.lock().calls.remove(&self.id);
        drop(caller);
    }
}

/// The router's side of the task.
pub(super) struct RouterInbox {
    router: Arc<Router>,
    start: Pin<Box<Sleep>>,
}

impl RouterInbox {
    pub(super) fn new(router: Arc<Router>) -> Self {
        Self { router, start: Box::pin(tokio::time::sleep(START_WITHIN)) }
    }
}

impl Inbox for RouterInbox {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.router.lock();
        if !inner.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            inner.task = Some(cx.waker().clone());
        }
        inner.has_started = inner.has_started || self.start.as_mut().poll(cx).is_ready();
        if inner.has_started { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take(&mut self, arrival: Arrival, current: Option<&Client>) {
        match arrival {
            Arrival::Message(message) => self.router.route(message),
            Arrival::Reconnected(_) => {
                let mut inner = self.router.lock();
                inner.format = Format::of(current.and_then(Client::subprotocol));
                inner.is_open = true;
                drop(inner);
                self.router.state.send_replace(ClientState::Open);
            }
        }
    }

    fn next_answer(&mut self) -> Option<Outgoing> {
        self.router.lock().answers.pop_front()
    }

    fn on_loss(&mut self, lost: &CloseReason) {
        self.router.lose(lost, ClientState::Reconnecting(lost.clone()));
    }

    fn on_end(&mut self, ended: &Ended) {
        self.router.end(ended.clone());
    }
}

/// A runtime that shuts down drops the task before it has ended the streams.
impl Drop for RouterInbox {
    fn drop(&mut self) {
        let has_ended = self.router.lock().has_ended;
        if !has_ended {
            self.router.end(Ended::Closed(CloseReason::Aborted));
        }
    }
}
