//! [`Inline`]: a stream whose items are handled where they are sent.
//!
//! NATS's client has a queue for each subscription. A task that reads many queues cannot restore
//! the order in which the server has sent the messages, and each queue can overflow. The client
//! calls the waker of a queue when it adds an item. Here this waker reads the queue, so the item is
//! handled inside that call, by the task that reads the socket: the items of all subscriptions keep
//! their order, no queue fills, and a subscription needs no task.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_core::Stream;
use tokio::task::unconstrained;

use crate::sync::Mutex;

/// The handler of items. It must not wait, and must not use the stream.
pub(super) trait Handle<T>: Send + Sync + 'static {
    fn item(&self, item: T);

    /// The sender is gone.
    fn end(&self);
}

/// A stream that is read by its own waker. Dropping it drops the stream.
pub(super) struct Inline<S, H>(Arc<Reader<S, H>>);

struct Reader<S, H> {
    /// `None` after the end. The stream keeps the waker, which is this reader: without this, both
    /// would keep each other alive.
    stream: Mutex<Option<S>>,
    handler: Arc<H>,
    /// The calls of `wake` since the stream was last read to its end. Only the call that finds zero
    /// reads, and it reads again for the others: a stream may wake its reader while it is read.
    wakes: AtomicUsize,
}

impl<S, H> Inline<S, H>
where
    S: Stream + Unpin + Send + 'static,
    H: Handle<S::Item>,
{
    pub(super) fn new(stream: S, handler: Arc<H>) -> Self {
        let stream = Mutex::new(Some(stream));
        let reader = Arc::new(Reader { stream, handler, wakes: AtomicUsize::new(0) });
        // The first read registers the waker.
        reader.wake_by_ref();
        Self(reader)
    }

    /// Ends the reading, and returns the stream.
    pub(super) fn take(&self) -> Option<S> {
        self.0.stream.lock().take()
    }
}

impl<S, H> Drop for Inline<S, H> {
    fn drop(&mut self) {
        let stream = self.0.stream.lock().take();
        drop(stream);
    }
}

impl<S, H> Wake for Reader<S, H>
where
    S: Stream + Unpin + Send + 'static,
    H: Handle<S::Item>,
{
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.wakes.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let waker = Waker::from(Arc::clone(self));
        loop {
            let wakes = self.wakes.load(Ordering::Acquire);
            self.read(&mut Context::from_waker(&waker));
            if self.wakes.compare_exchange(wakes, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    }
}

impl<S, H> Reader<S, H>
where
    S: Stream + Unpin,
    H: Handle<S::Item>,
{
    /// Handles all items that were sent.
    fn read(&self, cx: &mut Context<'_>) {
        loop {
            let mut stream = self.stream.lock();
            let Some(reading) = &mut *stream else { return };
            // Otherwise the budget of the sending task would interrupt the reading.
            let next = pin!(unconstrained(poll_fn(|cx| Pin::new(&mut *reading).poll_next(cx))));
            let polled = next.poll(cx);
            match polled {
                Poll::Ready(Some(item)) => {
                    drop(stream);
                    self.handler.item(item);
                }
                Poll::Ready(None) => {
                    let ended = stream.take();
                    drop(stream);
                    drop(ended);
                    return self.handler.end();
                }
                Poll::Pending => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::sync::mpsc;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<u32>>);

    const END: u32 = u32::MAX;

    impl Handle<u32> for Seen {
        fn item(&self, item: u32) {
            self.0.lock().push(item);
        }

        fn end(&self) {
            self.0.lock().push(END);
        }
    }

    struct Queue(mpsc::Receiver<u32>);

    impl Stream for Queue {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
            self.0.poll_recv(cx)
        }
    }

    fn queue(seen: &Arc<Seen>) -> (mpsc::Sender<u32>, Inline<Queue, Seen>) {
        let (sender, receiver) = mpsc::channel(2);
        (sender, Inline::new(Queue(receiver), Arc::clone(seen)))
    }

    #[tokio::test]
    async fn items_of_many_streams_are_handled_in_the_order_in_which_they_are_sent() {
        let seen = Arc::new(Seen::default());
        let queues: Vec<_> = (0..7).map(|_| queue(&seen)).collect();
        // More than the queues have room for, and more than a task may do at once.
        for number in 0..10_000 {
            queues[number as usize * number as usize % 7].0.try_send(number).unwrap();
        }
        assert_eq!(*seen.0.lock(), (0..10_000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn items_before_the_first_read_and_the_end_are_handled() {
        let seen = Arc::new(Seen::default());
        let (sender, receiver) = mpsc::channel(2);
        sender.try_send(1).unwrap();
        let inline = Inline::new(Queue(receiver), Arc::clone(&seen));
        sender.try_send(2).unwrap();
        drop(sender);
        assert_eq!(*seen.0.lock(), [1, 2, END]);
        assert_eq!(Arc::strong_count(&seen), 2);
        drop(inline);
    }

    #[tokio::test]
    async fn a_dropped_reader_drops_its_stream_although_the_sender_has_the_waker() {
        let seen = Arc::new(Seen::default());
        let (sender, inline) = queue(&seen);
        drop(inline);
        assert!(sender.is_closed());
        assert!(sender.try_send(1).is_err());
        drop(sender);
        assert_eq!((Arc::strong_count(&seen), &**seen.0.lock()), (1, &[][..]));
    }

    /// Wakes its reader while it is read.
    struct Eager(VecDeque<Poll<u32>>);

    impl Stream for Eager {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
            cx.waker().wake_by_ref();
            match self.0.pop_front() {
                Some(Poll::Ready(item)) => Poll::Ready(Some(item)),
                Some(Poll::Pending) => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    #[test]
    fn a_stream_that_wakes_its_reader_while_it_is_read_is_read_again() {
        let seen = Arc::new(Seen::default());
        let items = [Poll::Pending, Poll::Ready(1), Poll::Pending, Poll::Ready(2)];
        let inline = Inline::new(Eager(items.into()), Arc::clone(&seen));
        assert_eq!(seen.0.lock()[..3], [1, 2, END]);
        drop(inline);
    }

    #[test]
    fn nothing_is_lost_when_several_threads_send() {
        let seen = Arc::new(Seen::default());
        let (sender, receiver) = mpsc::channel(1 << 20);
        let inline = Inline::new(Queue(receiver), Arc::clone(&seen));
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let sender = sender.clone();
                scope
                    .spawn(move || (0..10_000).for_each(|it| sender.try_send(thread * 10_000 + it).unwrap()));
            }
        });
        let mut all = seen.0.lock().clone();
        all.sort_unstable();
        assert_eq!(all, (0..30_000).collect::<Vec<_>>());
        drop(inline);
    }
}
