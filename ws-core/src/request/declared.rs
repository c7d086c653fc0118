//! [`Declared`]: the events that a route declares to send, on its own or as replies.

use std::collections::BTreeSet;

use crate::place::Location;

/// The events that a route declares: those of `emits(..)`, and those that its handlers return.
#[derive(Debug)]
pub(crate) struct Declared {
    /// The place that registers the route.
    pub(crate) location: Location,
    /// The names of the events.
    pub(crate) events: BTreeSet<&'static str>,
}
