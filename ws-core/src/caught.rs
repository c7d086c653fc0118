//! Runs user code that may panic, and drops user values whose drop may panic.
//!
//! A panic ends the call or the future that panicked, and nothing else. A future that panicked is
//! not polled again, and a second panic while it is dropped is caught, too. The caller decides
//! which connection is closed and what its client receives. One case cannot be caught: a drop that
//! panics while another panic unwinds aborts the process.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
};

/// Calls user code. Returns `None` if it panicked.
#[inline]
pub(crate) fn caught_call<T>(call: impl FnOnce() -> T) -> Option<T> {
    // A half-finished change affects only the user's own data, which is dropped with its
    // connection.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops the payload of a panic. It is a user value, so its drop may panic, too. The payload of
/// that second panic is leaked.
#[cold]
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Drops a user value. A panic is logged and not propagated.
pub(crate) fn drop_caught<T>(what: &'static str, value: T) {
    if caught_call(|| drop(value)).is_none() {
        tracing::error!(what, "user code panicked in a drop");
    }
}

/// Runs a user's future. Returns `None` if it panicked while it ran or while it was dropped.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(Some(future));
    let mut future = Fragile::new(future.as_mut());
    let result = poll_fn(|cx| poll_slot(future.slot(), cx)).await;
    result.filter(|_| clear_slot(future.slot()))
}

/// A pinned place for a user's future. The trait hides the type of the future, so that the code
/// which drives it is compiled once. A bare `dyn Future` could not be dropped where a panic is
/// caught.
pub(crate) trait Slot {
    type Output;

    /// Polls the future; `None` if there is none.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<Self::Output>>;

    /// Drops the future.
    fn clear(self: Pin<&mut Self>);
}

impl<F: Future> Slot for Option<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<F::Output>> {
        self.as_pin_mut().map(|future| future.poll(cx))
    }

    fn clear(mut self: Pin<&mut Self>) {
        self.set(None);
    }
}

/// Calls user code that makes a future, polls the future once and, if it is ready, drops it. Ready
/// with `None` if one of these panicked; then the future is dropped as well.
#[inline]
pub(crate) fn first_poll<F: Future>(
    mut slot: Pin<&mut Option<F>>,
    call: impl FnOnce() -> F,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    let polled = caught_call(|| {
        slot.set(Some(call()));
        let polled = slot.as_mut().poll(cx);
        if !matches!(polled, Some(Poll::Pending)) {
            slot.set(None);
        }
        polled
    });
    match polled {
        Some(Some(polled)) => polled.map(Some),
        Some(None) => Poll::Ready(None),
        None => {
            clear_slot(slot);
            Poll::Ready(None)
        }
    }
}

/// Polls a user's future; ready with `None` if it panicked. Must not be called again after it was
/// ready.
pub(crate) fn poll_slot<S: Slot + ?Sized>(
    slot: Pin<&mut S>,
    cx: &mut Context<'_>,
) -> Poll<Option<S::Output>> {
    match caught_call(|| slot.poll(cx)) {
        Some(Some(polled)) => polled.map(Some),
        Some(None) | None => Poll::Ready(None),
    }
}

/// Drops a user's future; returns false if the drop panicked.
pub(crate) fn clear_slot<S: Slot + ?Sized>(slot: Pin<&mut S>) -> bool {
    caught_call(|| slot.clear()).is_some()
}

/// A slot that may be dropped at any time: a panic of the future's drop is caught.
pub(crate) struct Fragile<'a, S: Slot + ?Sized>(Pin<&'a mut S>);

impl<'a, S: Slot + ?Sized> Fragile<'a, S> {
    pub(crate) fn new(slot: Pin<&'a mut S>) -> Self {
        Self(slot)
    }

    pub(crate) fn slot(&mut self) -> Pin<&mut S> {
        self.0.as_mut()
    }
}

impl<S: Slot + ?Sized> Drop for Fragile<'_, S> {
    fn drop(&mut self) {
        if !clear_slot(self.slot()) {
            tracing::error!(what = "a cancelled future", "user code panicked in a drop");
        }
    }
}

/// Logs an error if its task ends by a panic, for example in the drop of a user value in a
/// response's extensions. The runtime catches the panic, and the unwinding releases what the task
/// owns.
pub(crate) struct Witness(pub(crate) &'static str);

impl Drop for Witness {
    fn drop(&mut self) {
        log_panic(self.0);
    }
}

/// Logs an error if this thread is unwinding. For the drop of a task's future, see [`Witness`].
pub(crate) fn log_panic(task: &'static str) {
    if std::thread::panicking() {
        tracing::error!(task, "a task panicked");
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
    async fn a_cancelled_future_may_panic_in_its_drop() {
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
