//! A user's crate that denies all warnings, with events and errors as types.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unreachable_pub, unused, rust_2018_idioms)]
#![deny(unused_qualifications, single_use_lifetimes, trivial_casts, unused_results, let_underscore_drop)]
#![deny(elided_lifetimes_in_paths, missing_debug_implementations, unit_bindings, unused_lifetimes)]

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};
use ws_core::prelude::*;

/// Names of events.
pub mod names {
    /// A user left.
    pub const LEFT: &str = "left";
}

/// Only received: it does not implement `Serialize`.
#[derive(Debug, Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
pub struct Say<'a> {
    /// The text.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
}

/// Only sent: it does not implement `Deserialize`.
#[derive(Debug, Serialize, WsEvent)]
#[ws_event("said")]
pub struct Said {
    /// The text.
    pub text: String,
}

/// Neither.
#[derive(Debug, WsEvent)]
#[ws_event("nothing")]
pub struct Nothing;

/// A name that is a constant, and two lifetimes.
#[derive(Debug, Serialize, WsEvent)]
#[ws_event(names::LEFT)]
pub struct Left<'a, 'b> {
    /// The account.
    pub account: &'a str,
    /// The reason.
    pub reason: &'b str,
}

/// An answer whose type has commas, and a stream.
#[derive(Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("vote", stream = Vec<(u8, String)>, answer = HashMap<String, u32>, crate = ws_core)]
pub enum Vote {
    /// One vote.
    One(u8),
    /// No vote.
    #[deprecated]
    None,
}

/// A type that cannot be sent to other threads is still an event.
#[derive(Debug, Serialize, WsEvent)]
#[ws_event(concat!("lo", "cal"))]
pub struct Local {
    /// The cause.
    #[serde(skip)]
    pub cause: std::rc::Rc<u8>,
}

/// The errors of this crate.
#[derive(Debug, thiserror::Error, WsError)]
#[ws_error(crate = ::ws_core)]
#[non_exhaustive]
pub enum Failure {
    /// A variant with fields.
    #[error("{text}")]
    #[ws_error(code = "named", status = 400, close = 4000)]
    Named {
        /// The text.
        text: String,
    },
    /// A tuple.
    #[error("{0}")]
    #[ws_error(code = "tuple")]
    #[deprecated]
    Tuple(u8),
    /// The same code, under a condition.
    #[cfg(true)]
    #[error("unit")]
    #[ws_error(code = "tuple")]
    Unit,
    /// A variant that does not exist.
    #[cfg(false)]
    #[error("absent")]
    #[ws_error(code = "absent")]
    Absent,
    /// Not public.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// All variants are public.
#[derive(Debug, WsError)]
#[ws_error(code = "full")]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("full")
    }
}

impl std::error::Error for Full {}

/// A room.
#[derive(Debug)]
#[ws_controller(path = "/strict/events", emits(Left, Vote, Local))]
pub struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open<'a>(&'a self, conn: &'a Connection) -> Result<Left<'a, 'static>, Failure> {
        drop(conn.ask(&Vote::One(1)).await);
        Ok(Left { account: conn.route(), reason: "" })
    }

    #[on_event("say", errors(Full, Failure))]
    async fn say(&self, conn: &Connection, Data(say): Data<Say<'_>>) -> Result<Option<Said>> {
        if conn.emit(&Said { text: String::new() }).is_err() {
            return Err(Full.into());
        }
        Ok(Some(Said { text: say.text.into_owned() }))
    }

    #[on_event("vote")]
    async fn vote(
        &self,
        _vote: Option<Data<Vote>>,
    ) -> Result<Stream<impl futures_util::Stream<Item = Data<Vec<(u8, String)>>> + use<>>, Full> {
        Ok(Stream::new(futures_util::stream::empty()))
    }
}
