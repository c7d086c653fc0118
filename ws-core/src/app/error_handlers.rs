//! Checks the error handlers of the program and gives each server its own.

use std::sync::Arc;

use super::{Problem, problems::Problems};
use crate::{
    config::ServerKind,
    recovery::{ErrorHandler, ErrorHandlers},
    registry::{ErrorHandlerEntry, public_parts},
    state::States,
};

/// All error handlers of the program: those of the registry, then those added by hand.
pub(super) fn all(
    linked: &[&'static ErrorHandlerEntry],
    by_hand: Vec<ErrorHandler>,
) -> Vec<Arc<ErrorHandler>> {
    let linked = linked.iter().map(|entry| ErrorHandler {
        name: entry.name,
        location: entry.location,
        server: entry.server,
        order: entry.order,
        error_type: (entry.error_type)(),
        error_name: entry.error_name,
        state: entry.state,
        call: Box::new(entry.call),
    });
    linked.chain(by_hand).map(Arc::new).collect()
}

/// Checks that error handlers name known servers and that their state is provided. No two of them
/// may handle the same error type with the same order.
pub(super) fn check(handlers: &[Arc<ErrorHandler>], problems: &mut Problems<'_>) {
    for (number, handler) in handlers.iter().enumerate() {
        let (name, location) = (handler.name, handler.location);
        if let Some(server) = handler.server {
            let what = format!("error handler `{name}`");
            problems.check_server(&what, location, server, ServerKind::WebSocket);
        }
        problems.check_state(name, location, handler.state.iter().map(|key| key()));
        let is_same = |other: &&Arc<ErrorHandler>| {
            other.error_type == handler.error_type
                && other.order == handler.order
                && (other.server.is_none() || handler.server.is_none() || other.server == handler.server)
        };
        if let Some(other) = handlers.iter().take(number).find(is_same) {
            problems.push(Problem::ErrorHandlerTwice {
                error: handler.error_name,
                order: handler.order,
                name,
                location,
                other_name: other.name,
                other_location: other.location,
            });
        }
    }
}

/// Returns the error handlers of a server.
pub(super) fn of_server(handlers: &[Arc<ErrorHandler>], server: &str, states: &Arc<States>) -> ErrorHandlers {
    let of_server = handlers.iter().filter(|handler| handler.server.is_none_or(|name| name == server));
    ErrorHandlers::new(of_server.cloned().collect(), Arc::clone(states), public_parts())
}
