//! [`Undeclared`]: finds events that are emitted on a connection whose route does not declare them.
//!
//! A connection does not have the type of its controller, so the compiler cannot find them. Builds
//! with `debug_assertions`, and those with the feature `testing`, check each emit; other builds
//! contain none of this. A broadcast checks each route once, and takes a lock only to report.

use std::{collections::BTreeMap, fmt};

use crate::{
    connection::Connection,
    envelope::WsEvent,
    place::{Location, short_name},
    sync::Mutex,
};

/// Whether emits are checked.
const IS_ON: bool = cfg!(any(debug_assertions, feature = "testing"));

/// An event that was emitted on a connection whose route does not declare it.
///
/// ```
/// use ws_core::testing::TestApp;
///
/// fn check(app: &TestApp) {
///     for event in app.undeclared() {
///         println!("{event}"); // what to add to `emits(..)`
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public with the test kit"))]
pub struct UndeclaredEvent {
    /// The name of the event.
    pub event: &'static str,
    /// The type of the event.
    pub type_name: &'static str,
    /// The place of the first emit.
    pub emitted_at: Location,
    /// The name of the controller.
    pub controller: &'static str,
    /// The place that registers the controller.
    pub controller_at: Location,
}

impl fmt::Display for UndeclaredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, type_name, emitted_at, controller, controller_at } = self;
        write!(
            f,
            "event `{event}` is emitted at {emitted_at} on a connection of `{controller}` ({controller_at}), which does \
             not declare it; write `emits({type_name})` in `#[ws_controller(..)]`, or `Route::emits::<{type_name}>()`"
        )
    }
}

/// The undeclared events of an application, each reported once per controller.
#[derive(Debug, Default)]
pub(crate) struct Undeclared(Mutex<BTreeMap<(&'static str, &'static str), UndeclaredEvent>>);

impl Undeclared {
    /// Returns the events, sorted by controller and event.
    #[cfg(feature = "testing")]
    pub(crate) fn all(&self) -> Vec<UndeclaredEvent> {
        self.0.lock().values().cloned().collect()
    }

    #[cold]
    fn report(&self, found: UndeclaredEvent) {
        let mut all = self.0.lock();
        let key = (found.controller, found.event);
        let is_new = !all.contains_key(&key);
        if is_new {
            all.insert(key, found.clone());
        }
        drop(all);
        if is_new {
            tracing::warn!("{found}");
        }
    }
}

/// Checks one emit, to one or many connections.
pub(crate) struct EmitCheck {
    event: &'static str,
    type_name: &'static str,
    place: Location,
    /// The addresses of the declarations that were checked.
    seen: Vec<usize>,
}

impl EmitCheck {
    /// Starts the check of an emit of this event type at this place.
    pub(crate) fn new<E: WsEvent + ?Sized>(place: &'static std::panic::Location<'static>) -> Option<Self> {
        IS_ON.then(|| Self {
            event: E::NAME,
            type_name: short_name::<E>(),
            place: Location { module: "", file: place.file(), line: place.line() },
            seen: Vec::new(),
        })
    }

    /// Checks the route of a connection. A connection without a route is not checked.
    pub(crate) fn check_route(&mut self, connection: &Connection) {
        let Some(declared) = connection.handshake().matched().and_then(|route| route.declared()) else {
            return;
        };
        let address = std::ptr::from_ref(declared) as usize;
        if self.seen.contains(&address) {
            return;
        }
        self.seen.push(address);
        if !declared.events.contains(self.event) {
            let Self { event, type_name, place, .. } = *self;
            let (controller, controller_at) = (connection.controller(), declared.location);
            let emitted_at = place;
            connection.live().undeclared().report(UndeclaredEvent {
                event,
                type_name,
                emitted_at,
                controller,
                controller_at,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{any::Any, sync::Arc};

    use super::*;
    use crate::{
        envelope::AnyReply,
        hub::{Entry, Live},
        request::{Declared, Handshake, Matched},
    };

    struct Tick;

    impl WsEvent for Tick {
        type Replies = AnyReply;

        const NAME: &'static str = "tick";
    }

    /// A route for which only the declared events matter.
    struct At(Arc<str>, Declared);

    impl At {
        fn declaring(events: &[&'static str]) -> Arc<Self> {
            let location = Location { module: "", file: "route.rs", line: 1 };
            Arc::new(Self("/".into(), Declared { location, events: events.iter().copied().collect() }))
        }
    }

    impl Matched for At {
        fn pattern(&self) -> &Arc<str> {
            &self.0
        }

        fn controller(&self) -> &'static str {
            "At"
        }

        fn declared(&self) -> Option<&Declared> {
            Some(&self.1)
        }

        fn error_handlers(&self) -> &(dyn Any + Send + Sync) {
            &()
        }

        fn counters(&self) -> Option<&Arc<crate::telemetry::RouteCounters>> {
            None
        }

        fn around(&self) -> Option<&(dyn Any + Send + Sync)> {
            None
        }
    }

    fn enter(live: &Arc<Live>, route: &Arc<At>) -> Entry {
        let (parts, ()) = http::Request::new(()).into_parts();
        let mut handshake = Handshake::new(parts, "ws".into(), None);
        handshake.set_route(Arc::clone(route) as Arc<dyn Matched>, Vec::new()).unwrap();
        live.enter(Connection::new(handshake, &Arc::default(), Arc::clone(live), None))
    }

    #[test]
    fn a_broadcast_checks_each_route_once_and_reports_each_event_once() {
        let live = Arc::new(Live::default());
        let routes = [At::declaring(&["tick"]), At::declaring(&["tock"]), At::declaring(&[])];
        let entries: Vec<_> = (0..100).flat_map(|_| routes.iter().map(|route| enter(&live, route))).collect();
        for _ in 0..2 {
            let mut check = EmitCheck::new::<Tick>(std::panic::Location::caller()).unwrap();
            for entry in &entries {
                check.check_route(entry.connection());
            }
            assert_eq!(check.seen.len(), routes.len());
        }
        let reported: Vec<_> = live.undeclared().0.lock().keys().copied().collect();
        assert_eq!(reported, [("At", "tick")]);
    }
}
