//! [`Fences`]: numbered messages of a link to itself. The server executes the commands of a link in
//! order, so a fence that comes back confirms everything before it.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::sync::Mutex;

/// The fences of one link that have not come back.
#[derive(Default)]
pub(super) struct Fences(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last: u64,
    fences: VecDeque<(u64, oneshot::Sender<()>)>,
    is_closed: bool,
}

impl Fences {
    /// Returns the number of the next fence, and a receiver that waits for it.
    pub(super) fn open(&self) -> (u64, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.0.lock();
        waiting.last += 1;
        let number = waiting.last;
        if !waiting.is_closed {
            waiting.fences.push_back((number, sender));
        }
        (number, receiver)
    }

    /// Records that a fence has come back, and those before it.
    pub(super) fn pass(&self, number: &[u8]) {
        let Ok(number) = <[u8; 8]>::try_from(number).map(u64::from_be_bytes) else { return };
        let mut waiting = self.0.lock();
        while waiting.fences.front().is_some_and(|(waiting, _)| *waiting <= number)
            && let Some((_, sender)) = waiting.fences.pop_front()
        {
            // Fails if the call was cancelled.
            let _ = sender.send(());
        }
    }

    /// Records that no fence comes back any more.
    pub(super) fn close(&self) {
        let mut waiting = self.0.lock();
        waiting.is_closed = true;
        waiting.fences.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_comes_back_passes_those_before_it_and_no_later_one() {
        let fences = Fences::default();
        let mut receivers: Vec<_> = (0..4).map(|_| fences.open()).collect();
        fences.pass(b"");
        fences.pass(&[0; 9]);
        fences.pass(&receivers[1].0.to_be_bytes());
        let passed: Vec<bool> = receivers.iter_mut().map(|(_, it)| it.try_recv().is_ok()).collect();
        assert_eq!(passed, [true, true, false, false]);
        fences.close();
        assert!(receivers[2].1.try_recv().is_err());
        let (_, mut late) = fences.open();
        assert!(matches!(late.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
