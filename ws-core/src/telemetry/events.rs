//! The counters of typed events and of asks, found by the declared names.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

#[cfg(feature = "metrics")]
use super::publish::{EventSeconds, Sampler};
use super::{AskStats, ErrorStats, EventStats, RouteCounters};
use crate::envelope::COMMON_CODES;

/// The label of events that the route does not declare.
const UNKNOWN: &str = "unknown";
/// The label of error codes that are neither declared nor common.
const OTHER: &str = "other";

/// The outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Panic,
    Timeout,
}

/// The events that a route handles: those that it declares, sorted by name, and one entry for all
/// other names.
#[derive(Debug)]
pub(crate) struct EventTable {
    declared: Box<[EventCounters]>,
    unknown: EventCounters,
}

impl Default for EventTable {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl EventTable {
    /// Makes the table of these events, each with the error codes that its handler declares.
    pub(crate) fn new(mut events: BTreeMap<&'static str, Vec<&'static str>>) -> Self {
        // A declared event of this name has the same label as the entry for all others.
        let unknown = EventCounters::new(UNKNOWN, events.remove(UNKNOWN).unwrap_or_default());
        let declared = events.into_iter().map(|(name, codes)| EventCounters::new(name, codes));
        Self { declared: declared.collect(), unknown }
    }

    /// Returns the counters of the event of this name, which may not be declared.
    pub(crate) fn named(&self, name: &str) -> &EventCounters {
        self.get(self.find(name))
    }

    /// The counters of all events that are not declared, and of messages that are not events.
    pub(crate) fn unknown(&self) -> &EventCounters {
        &self.unknown
    }

    fn find(&self, name: &str) -> u32 {
        let found = self.declared.binary_search_by(|event| event.name.cmp(name));
        u32::try_from(found.unwrap_or(self.declared.len())).unwrap_or(u32::MAX) & INDEX
    }

    #[inline]
    fn get(&self, index: u32) -> &EventCounters {
        self.declared.get(index as usize).unwrap_or(&self.unknown)
    }

    pub(super) fn stats(&self) -> Vec<EventStats> {
        self.declared.iter().chain([&self.unknown]).map(EventCounters::stats).collect()
    }
}

/// The counters of one event.
#[derive(Debug)]
pub(crate) struct EventCounters {
    name: &'static str,
    ok: AtomicU64,
    error: AtomicU64,
    panic: AtomicU64,
    timeout: AtomicU64,
    /// The declared and the common error codes, sorted.
    codes: Box<[(&'static str, AtomicU64)]>,
    other_codes: AtomicU64,
    #[cfg(feature = "metrics")]
    seconds: EventSeconds,
}

impl EventCounters {
    fn new(name: &'static str, mut codes: Vec<&'static str>) -> Self {
        codes.extend(COMMON_CODES.iter().map(|(code, _)| *code));
        codes.retain(|code| *code != OTHER);
        codes.sort_unstable();
        codes.dedup();
        Self {
            name,
            ok: AtomicU64::default(),
            error: AtomicU64::default(),
            panic: AtomicU64::default(),
            timeout: AtomicU64::default(),
            codes: codes.into_iter().map(|code| (code, AtomicU64::default())).collect(),
            other_codes: AtomicU64::default(),
            #[cfg(feature = "metrics")]
            seconds: EventSeconds::default(),
        }
    }

    #[inline]
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Error => &self.error,
            Outcome::Panic => &self.panic,
            Outcome::Timeout => &self.timeout,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the code of an error that was sent to the client.
    pub(crate) fn count_code(&self, code: &str) {
        let found = self.codes.binary_search_by(|(known, _)| (*known).cmp(code)).ok();
        let counter =
            found.and_then(|at| self.codes.get(at)).map_or(&self.other_codes, |(_, counter)| counter);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> EventStats {
        let [ok, error, panic, timeout] =
            [&self.ok, &self.error, &self.panic, &self.timeout].map(|it| it.load(Ordering::Relaxed));
        let other = [(OTHER, &self.other_codes)];
        let codes = self.codes.iter().map(|(code, counter)| (*code, counter)).chain(other);
        let errors = codes.map(|(code, counter)| ErrorStats { code, count: counter.load(Ordering::Relaxed) });
        let errors = errors.filter(|error| error.count > 0).collect();
        EventStats { name: self.name, ok, error, panic, timeout, errors }
    }
}

/// Set while the event is handled.
const RUNNING: u32 = 1 << 31;
/// The bits of the index in an [`EventTable`].
const INDEX: u32 = RUNNING - 1;

/// The event that a connection handles, or the last one. Its callbacks run one after another.
///
/// The last one is remembered, because the next event often has the same name.
#[derive(Debug, Default)]
pub(crate) struct RunningEvent {
    /// The index in the table, and whether the event runs.
    state: AtomicU32,
    #[cfg(feature = "metrics")]
    sampler: Sampler,
}

impl RunningEvent {
    #[inline]
    pub(crate) fn begin(&self, table: &EventTable, name: &str) {
        let last = self.state.load(Ordering::Relaxed) & INDEX;
        let index = if table.get(last).name == name { last } else { table.find(name) };
        self.state.store(index | RUNNING, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.sampler.begin();
    }

    /// Returns the label of the running event, or of the last one.
    pub(crate) fn name(&self, table: &EventTable) -> &'static str {
        table.get(self.state.load(Ordering::Relaxed) & INDEX).name
    }

    /// Counts the outcome of the running event. Returns its counters; `None` if no event runs.
    #[inline]
    pub(crate) fn end<'a>(&self, route: &'a RouteCounters, outcome: Outcome) -> Option<&'a EventCounters> {
        let event = self.state.load(Ordering::Relaxed);
        if event & RUNNING == 0 {
            return None;
        }
        self.state.store(event & INDEX, Ordering::Relaxed);
        let counters = route.events.get(event & INDEX);
        counters.count(outcome);
        #[cfg(feature = "metrics")]
        if let Some(duration) = self.sampler.end() {
            counters.seconds.record(&route.path, counters.name, duration);
        }
        Some(counters)
    }
}

/// The asks that a route declares, sorted by name, and one entry for all other names.
#[derive(Debug)]
pub(crate) struct AskTable {
    declared: Box<[AskCounters]>,
    unknown: AskCounters,
}

impl Default for AskTable {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl AskTable {
    pub(crate) fn new(mut names: Vec<&'static str>) -> Self {
        names.retain(|name| *name != UNKNOWN);
        names.sort_unstable();
        names.dedup();
        let declared = names.into_iter().map(AskCounters::new).collect();
        Self { declared, unknown: AskCounters::new(UNKNOWN) }
    }

    pub(crate) fn named(&self, name: &str) -> &AskCounters {
        let found = self.declared.binary_search_by(|ask| ask.name.cmp(name)).ok();
        found.and_then(|at| self.declared.get(at)).unwrap_or(&self.unknown)
    }

    /// Returns the asks that were made.
    pub(super) fn stats(&self) -> Vec<AskStats> {
        let all = self.declared.iter().chain([&self.unknown]).map(AskCounters::stats);
        all.filter(|ask| ask.ok + ask.refused + ask.timeout + ask.error > 0).collect()
    }
}

/// The outcome of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskOutcome {
    Ok,
    Refused,
    Timeout,
    Error,
}

/// The counters of one ask.
#[derive(Debug)]
pub(crate) struct AskCounters {
    name: &'static str,
    ok: AtomicU64,
    refused: AtomicU64,
    timeout: AtomicU64,
    error: AtomicU64,
}

impl AskCounters {
    fn new(name: &'static str) -> Self {
        let [ok, refused, timeout, error] = std::array::from_fn(|_| AtomicU64::default());
        Self { name, ok, refused, timeout, error }
    }

    pub(crate) fn count(&self, outcome: AskOutcome) {
        let counter = match outcome {
            AskOutcome::Ok => &self.ok,
            AskOutcome::Refused => &self.refused,
            AskOutcome::Timeout => &self.timeout,
            AskOutcome::Error => &self.error,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> AskStats {
        let [ok, refused, timeout, error] =
            [&self.ok, &self.refused, &self.timeout, &self.error].map(|it| it.load(Ordering::Relaxed));
        AskStats { name: self.name, ok, refused, timeout, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> RouteCounters {
        let events = [("say", vec!["too_long"]), ("join", vec![]), (UNKNOWN, vec!["odd"])].into();
        let mut route = RouteCounters::default();
        route.events = EventTable::new(events);
        route
    }

    #[test]
    fn an_event_is_counted_under_its_name_after_any_other_event() {
        let (route, running) = (route(), RunningEvent::default());
        for name in ["say", "say", "join", "not declared", "join", UNKNOWN, "", "say"] {
            running.begin(&route.events, name);
            running.end(&route, Outcome::Ok);
        }
        let counts: Vec<_> = route.events.stats().iter().map(|event| (event.name, event.ok)).collect();
        assert_eq!(counts, [("join", 2), ("say", 3), (UNKNOWN, 3)]);
    }

    #[test]
    fn an_event_ends_once() {
        let (route, running) = (route(), RunningEvent::default());
        assert!(running.end(&route, Outcome::Panic).is_none());
        running.begin(&route.events, "say");
        assert!(running.end(&route, Outcome::Timeout).is_some());
        assert!(running.end(&route, Outcome::Ok).is_none());
        let say = &route.events.stats()[1];
        assert_eq!((say.ok, say.error, say.panic, say.timeout), (0, 0, 0, 1));
    }

    #[test]
    fn a_code_is_declared_or_common_or_other() {
        let route = route();
        for code in ["too_long", "internal", "odd", "internal", "4711"] {
            route.events.named("say").count_code(code);
        }
        let errors = &route.events.stats()[1].errors;
        let errors: Vec<_> = errors.iter().map(|error| (error.code, error.count)).collect();
        assert_eq!(errors, [("internal", 2), ("too_long", 1), (OTHER, 2)]);
    }
}
