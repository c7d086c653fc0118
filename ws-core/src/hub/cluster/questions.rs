//! [`Questions`]: the questions of this node to the others that are not answered yet.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::mpsc;

use super::wire::ResultPart;
use crate::{fixed, sync::Mutex};

/// The parts of results that may wait for the task that asked.
const WAITING_PARTS: usize = 1024;

/// A part of a result, and the node that sent it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) node: u32,
    pub(super) part: ResultPart,
}

#[derive(Debug, Default)]
pub(super) struct Questions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, mpsc::Sender<Received>>>,
}

/// A question that waits for results. It is closed on drop.
#[derive(Debug)]
pub(super) struct Open<'a> {
    questions: &'a Questions,
    pub(super) id: u64,
    pub(super) received: mpsc::Receiver<Received>,
}

impl Questions {
    /// Opens a question. Returns `None` if too many are open.
    pub(super) fn open(&self) -> Option<Open<'_>> {
        let mut open = self.open.lock();
        if open.len() >= fixed::OPEN_QUESTIONS {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, received) = mpsc::channel(WAITING_PARTS);
        open.insert(id, sender);
        Some(Open { questions: self, id, received })
    }

    /// Passes a part of a result to the task that asked. A part that comes too late is dropped.
    pub(super) fn receive(&self, node: u32, part: ResultPart) {
        if let Some(open) = self.open.lock().get(&part.id) {
            // Without room, the result stays incomplete and its node is reported as missing.
            let _ = open.try_send(Received { node, part });
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.questions.open.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::cluster::wire::Found;

    #[test]
    fn open_questions_are_limited_and_closed_on_drop() {
        let questions = Questions::default();
        let mut open: Vec<_> = (0..fixed::OPEN_QUESTIONS).map(|_| questions.open().unwrap()).collect();
        assert!(questions.open().is_none());
        let id = open.pop().unwrap().id;
        let part = ResultPart { id, is_last: true, found: Found::Count(1) };
        questions.receive(1, part.clone());
        let mut again = questions.open().unwrap();
        assert!(again.received.try_recv().is_err(), "an old result");
        questions.receive(1, ResultPart { id: again.id, ..part });
        assert_eq!(again.received.try_recv().unwrap().node, 1);
    }
}
