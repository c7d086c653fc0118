//! [`EventFrames`]: an event for many connections, encoded once for each format.

use std::panic::Location;

use serde::Serialize;

use super::{EmitCheck, cluster::wire::Frames};
use crate::{
    connection::Connection,
    envelope::{Format, WsEvent},
    socket::{self, SharedFrame},
    wire::SendError,
};

/// The frames of an event. A frame is encoded when the first member with its format is served.
pub(super) struct EventFrames<'a, T: ?Sized> {
    name: &'a str,
    data: &'a T,
    /// The place of the user's call, for the log.
    place: &'static Location<'static>,
    /// Checks the routes of the connections; `None` if the event has no type.
    check: Option<EmitCheck>,
    /// The frame for each format; `None` if the data was not serialised.
    made: Vec<(Format, Option<SharedFrame>)>,
}

impl<'a, T: Serialize + ?Sized> EventFrames<'a, T> {
    pub(super) fn new(name: &'a str, data: &'a T, place: &'static Location<'static>) -> Self {
        Self { name, data, place, check: None, made: Vec::new() }
    }

    /// Checks the route of a connection that gets the event.
    pub(super) fn check_route(&mut self, connection: &Connection) {
        if let Some(check) = &mut self.check {
            check.check_route(connection);
        }
    }

    /// Returns the frame in this format, or `None` if the data does not serialise, which is logged
    /// once.
    pub(super) fn get(&mut self, format: Format) -> Option<&mut SharedFrame> {
        let made = self.made.iter().position(|(made, _)| *made == format);
        let at = made.unwrap_or_else(|| {
            let frame = format.encode(self.name, self.data, None).map(socket::encode);
            let frame = frame.inspect_err(|error| log_failure::<T>(error, self.place)).ok();
            self.made.push((format, frame.map(SharedFrame::new)));
            self.made.len() - 1
        });
        self.made.get_mut(at)?.1.as_mut()
    }

    /// Returns the frames for other nodes, in JSON and, if their connections may use it, in
    /// MessagePack. Returns `None` if the data does not serialise.
    pub(super) fn for_nodes(&mut self, use_msgpack: bool) -> Option<Frames> {
        #[cfg(not(feature = "msgpack"))]
        let _ = use_msgpack;
        let formats = [
            Some(Format::Json),
            #[cfg(feature = "msgpack")]
            use_msgpack.then_some(Format::MsgPack),
        ];
        let frames = |format| Some((format, self.get(format)?.plain().clone()));
        let frames: Vec<_> = formats.into_iter().flatten().filter_map(frames).collect();
        (!frames.is_empty()).then_some(Frames::ByFormat(frames))
    }
}

impl<'a, E: WsEvent + Serialize + ?Sized> EventFrames<'a, E> {
    /// The frames of an event of this type.
    pub(super) fn of_type(event: &'a E, place: &'static Location<'static>) -> Self {
        Self { check: EmitCheck::new::<E>(place), ..Self::new(E::NAME, event, place) }
    }
}

/// Logs that a value for many connections was not serialised.
#[cold]
pub(super) fn log_failure<T: ?Sized>(error: &SendError, place: &Location<'_>) {
    tracing::error!(%error, value = std::any::type_name::<T>(), %place, "a value was not sent");
}
