//! [`Matched`]: the route of a handshake, as the layers below the router see it.

use std::{any::Any, sync::Arc};

/// The route that a handshake was matched to.
///
/// A request does not know what a route is, or it would know controllers, and through them everything.
/// The modules above ask for what is theirs: the typed layer for what runs around its callbacks, the
/// pipeline for the route itself, by downcasting.
pub(crate) trait Matched: Any + Send + Sync {
    /// The path pattern.
    fn pattern(&self) -> &Arc<str>;

    /// The name of the controller.
    fn controller(&self) -> &'static str;

    /// What runs around the callbacks of the route. Its type belongs to the typed layer.
    fn around(&self) -> &(dyn Any + Send + Sync);
}
