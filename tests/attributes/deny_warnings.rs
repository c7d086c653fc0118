//! A user's crate that denies all warnings.
#![deny(warnings, missing_docs, unreachable_pub, unused, rust_2018_idioms)]
#![deny(unused_qualifications, single_use_lifetimes, trivial_casts, unused_results, let_underscore_drop)]
#![deny(elided_lifetimes_in_paths, missing_debug_implementations, unit_bindings, unused_lifetimes)]

use ws_core::prelude::*;

/// Rooms.
#[derive(Debug)]
#[ws_controller(path = "/rooms/{room}", middleware(trace), limits(message = "1KiB"))]
pub struct Rooms {
    /// The users.
    #[state]
    pub users: u32,
    names: Vec<String>,
}

impl Controller for Rooms {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        if self.names.is_empty() {
            conn.push(message)?;
        }
        Ok(())
    }
}

/// Traces.
#[ws_middleware(order = -1)]
pub async fn trace(handshake: Handshake, next: Next<'_>, State(_users): State<u32>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_error_handler]
async fn io(_error: &std::io::Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}
