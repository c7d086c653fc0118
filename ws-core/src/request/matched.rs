//! [`Matched`]: the view of a handshake's route in the modules below the router.

use std::{any::Any, sync::Arc};

use super::Declared;
use crate::telemetry::RouteCounters;

/// The route that a handshake was matched to.
///
/// A request must not depend on routes: they depend on controllers, and through them on all other
/// modules. The modules above get their own part by downcasting: the typed layer gets the
/// interceptors, `recovery` gets the error handlers, and the pipeline gets the route itself.
pub(crate) trait Matched: Any + Send + Sync {
    /// The path pattern.
    fn pattern(&self) -> &Arc<str>;

    /// The name of the controller.
    fn controller(&self) -> &'static str;

    /// The events that the route declares; `None` if they are not known.
    fn declared(&self) -> Option<&Declared>;

    /// The counters of the route; `None` in tests without a route.
    fn counters(&self) -> Option<&Arc<RouteCounters>>;

    /// The interceptors around the callbacks of the route; `None` if there are none. Their type
    /// belongs to the typed layer.
    fn around(&self) -> Option<&(dyn Any + Send + Sync)>;

    /// The error handlers of the route's server. Their type belongs to the module `recovery`.
    fn error_handlers(&self) -> &(dyn Any + Send + Sync);
}
