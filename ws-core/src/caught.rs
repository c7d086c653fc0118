//! Code of users that may panic: where it is run, what it leaves is dropped as carefully.
//!
//! A panic ends what ran and nothing else. What panicked is not polled again, and a second panic, of the drop of what
//! is left, goes no further than the first. Which connection ends and what its client is told is not decided here. What
//! nobody can catch is a drop that panics while another panic unwinds: that aborts the process.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
};

/// Calls user code; `None` if it panicked.
pub(crate) fn caught_call<T>(call: impl FnOnce() -> T) -> Option<T> {
    // What it leaves in the middle of a change is its user's own, and goes with its connection.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // The payload is any value of the user's, so its drop may panic as well; that one's payload is leaked.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            None
        }
    }
}

/// Drops a value of the user's. A panic is logged and ends nothing.
pub(crate) fn drop_caught<T>(what: &'static str, value: T) {
    if caught_call(|| drop(value)).is_none() {
        tracing::error!(what, "user code panicked in a drop");
    }
}

/// Runs user code; `None` if it panicked, also if that was when it was dropped.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(Some(future));
    let mut future = Fragile::new(future.as_mut());
    let result = poll_fn(|cx| future.poll(cx)).await;
    result.filter(|_| future.end())
}

/// A future of the user's. It may be given up at any time: a panic of its drop is caught, too.
pub(crate) struct Fragile<'a, F>(Pin<&'a mut Option<F>>);

impl<'a, F: Future> Fragile<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self(future)
    }

    /// Ready with `None` if it panicked; it must not be polled after it was ready.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match caught_call(|| self.0.as_mut().as_pin_mut().map(|future| future.poll(cx))) {
            Some(Some(Poll::Pending)) => Poll::Pending,
            Some(Some(Poll::Ready(output))) => Poll::Ready(Some(output)),
            Some(None) | None => Poll::Ready(None),
        }
    }

    /// Drops it; false if that panicked.
    pub(crate) fn end(mut self) -> bool {
        caught_call(|| self.0.set(None)).is_some()
    }
}

impl<F> Drop for Fragile<'_, F> {
    fn drop(&mut self) {
        if caught_call(|| self.0.set(None)).is_none() {
            tracing::error!(what = "a future that was given up", "user code panicked in a drop");
        }
    }
}

/// Says so if its task ends by a panic after all, such as one in the drop of what a user put beside a response. The runtime
/// catches it, and what the task owns is given back as it unwinds.
pub(crate) struct Witness(pub(crate) &'static str);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.0, "a task panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[tokio::test]
    async fn a_panic_of_a_future_of_its_drop_and_of_its_payload_is_none() {
        assert_eq!(caught(async { 1 }).await, Some(1));
        assert_eq!(caught(async { panic!("on purpose") }).await, None::<()>);
        assert_eq!(caught(async { std::panic::panic_any(Bomb) }).await, None::<()>);
        let bomb = Bomb;
        let kept_to_the_end = poll_fn(move |_| {
            let _ = &bomb;
            Poll::Ready(())
        });
        assert_eq!(caught(kept_to_the_end).await, None);
    }

    #[tokio::test]
    async fn a_future_that_is_given_up_may_panic_in_its_drop() {
        let bomb = Bomb;
        let waiting = caught(poll_fn(move |_| {
            let _ = &bomb;
            Poll::<()>::Pending
        }));
        let mut waiting = Box::pin(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
    }
}
