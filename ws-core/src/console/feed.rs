//! [`Feed`]: a response that sends data repeatedly, one JSON value per line, until the page closes
//! it.
//!
//! A value is made only when the stream accepts it, so a page that does not read costs no memory.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Interval, MissedTickBehavior, interval},
};

/// The number of open feeds.
const FEEDS: usize = 16;

/// The places for feeds.
#[derive(Debug)]
pub(super) struct Feeds(Arc<Semaphore>);

impl Default for Feeds {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FEEDS)))
    }
}

impl Feeds {
    /// Takes a place; `None` if there is none.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

pub(super) struct Feed {
    ticks: Interval,
    next: Box<dyn FnMut() -> Option<Value> + Send>,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// Creates a feed that asks for a value in this interval, the first time at once. `None` sends
    /// nothing.
    pub(super) fn new(
        place: OwnedSemaphorePermit,
        every: Duration,
        next: impl FnMut() -> Option<Value> + Send + 'static,
    ) -> Self {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, next: Box::new(next), _place: place }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl http_body::Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            ready!(self.ticks.poll_tick(cx));
            if let Some(value) = (self.next)() {
                let line = format!("{value}\n");
                return Poll::Ready(Some(Ok(Frame::data(line.into()))));
            }
        }
    }
}
