//! A user's crate that denies all warnings.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unreachable_pub, unused, rust_2018_idioms)]
#![deny(unused_qualifications, single_use_lifetimes, trivial_casts, unused_results, let_underscore_drop)]
#![deny(elided_lifetimes_in_paths, missing_debug_implementations, unit_bindings, unused_lifetimes)]

use std::sync::Arc;

use ws_core::handlers::EventName;
use ws_core::{error::SendError, prelude::*};

/// A type with lifetimes of the same names as those of the parameters.
#[derive(Clone)]
pub struct Check(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Check")
    }
}

/// A trait with the type of the events.
pub trait Talks {
    /// The event.
    type Say: Send;
}

/// Rooms.
#[derive(Debug)]
#[ws_controller(path = "/rooms/{room}")]
pub struct Rooms;

impl Talks for Rooms {
    type Say = u8;
}

#[ws_handlers]
impl Rooms {
    /// Joins.
    #[on_open]
    pub async fn on_open(&self, conn: &Connection, room: Path<String>, same: &Path<String>) -> Result {
        conn.push(room.0 + &same.0)?;
        Ok(())
    }

    #[on_event("say")]
    async fn say<'a>(
        &'a self,
        conn: &'a Connection,
        name: EventName<'a>,
        State(check): State<Check>,
        State(plain): State<fn(&str) -> bool>,
        Data(say): Data<<Self as Talks>::Say>,
    ) -> Result<Data<&'a str>, SendError> {
        conn.push(format!("{say} {}", plain(&name)))?;
        Ok(Data(if (check.0)(&name) { name.0 } else { "no" }))
    }

    #[on_message]
    #[deprecated]
    async fn on_message(&self, message: Message) -> Message {
        message
    }
}
