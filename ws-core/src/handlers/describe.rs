//! The types of a handler's parameters and reply, for documents.
//!
//! Generated code asks in two steps, because each may have no answer: [`PartOf`] finds the type of
//! the value inside a parameter (the `T` of `Option<&Query<T>>`), and
//! [`SchemaOf`] its schema.

use std::marker::PhantomData;

#[cfg(feature = "validate")]
use super::Valid;
use super::{Data, Header, Json, Path, Query, Reply, model::Sends};
use crate::{
    envelope::{EventInfo, Nothing, Replies, WsEvent},
    request::ParamSource,
    schema::SchemaOf,
};

/// A parameter whose value has a place in documents.
pub trait Part {
    /// The type of the value.
    type Value;
    /// Whether the parameter is an `Option`.
    const IS_OPTIONAL: bool = false;

    /// Returns the place that the value is read from.
    fn source() -> ParamSource;
}

/// Implements [`Part`] for a wrapper around the value.
macro_rules! parts {
    ($($wrapper:ident => $source:ident;)*) => {$(
        impl<T> Part for $wrapper<T> {
            type Value = T;

            fn source() -> ParamSource {
                ParamSource::$source
            }
        }
    )*};
}

parts! {
    Data => Data;
    Json => Other;
    Path => Path;
    Query => Query;
}

impl<T: headers::Header> Part for Header<T> {
    /// A header has the schema of a text, because its type does not implement the traits of serde.
    type Value = Nothing;

    fn source() -> ParamSource {
        ParamSource::Header(T::name().as_str())
    }
}

impl Part for Reply {
    type Value = Nothing;

    fn source() -> ParamSource {
        ParamSource::Reply
    }
}

impl<P: Part> Part for &P {
    type Value = P::Value;
    const IS_OPTIONAL: bool = P::IS_OPTIONAL;

    fn source() -> ParamSource {
        P::source()
    }
}

impl<P: Part> Part for Option<P> {
    type Value = P::Value;
    const IS_OPTIONAL: bool = true;

    fn source() -> ParamSource {
        P::source()
    }
}

#[cfg(feature = "validate")]
impl<P: Part> Part for Valid<P> {
    type Value = P::Value;
    const IS_OPTIONAL: bool = P::IS_OPTIONAL;

    fn source() -> ParamSource {
        P::source()
    }
}

/// A parameter's type.
#[derive(Debug)]
pub struct PartOf<P>(PhantomData<fn() -> P>);

impl<P> PartOf<P> {
    /// Names the type.
    #[expect(clippy::new_without_default, reason = "generated code names the type")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Part> PartOf<P> {
    /// Returns the place of the value, and whether the parameter is an `Option`.
    pub fn source(&self) -> (ParamSource, bool) {
        (P::source(), P::IS_OPTIONAL)
    }

    /// Returns the type of the value.
    pub fn value(&self) -> SchemaOf<P::Value> {
        SchemaOf::new()
    }
}

/// A parameter without a place in documents.
pub trait NoPart {
    #[doc(hidden)]
    fn source(&self) -> (ParamSource, bool) {
        (ParamSource::Other, false)
    }

    #[doc(hidden)]
    fn value(&self) -> SchemaOf<Nothing> {
        SchemaOf::new()
    }
}

impl<P> NoPart for PartOf<P> {}

impl<S: Replies> Sends<S> {
    /// Returns the type of the data of each reply.
    pub fn data(&self) -> SchemaOf<S::Data> {
        SchemaOf::new()
    }

    /// Returns the same type as an event.
    pub fn event(&self) -> EventOf<S::Data> {
        EventOf::new()
    }
}

/// A type that may be an event.
#[derive(Debug)]
pub struct EventOf<T>(PhantomData<fn() -> T>);

impl<T> EventOf<T> {
    /// Names the type.
    #[expect(clippy::new_without_default, reason = "generated code names the type")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: WsEvent> EventOf<T> {
    /// Returns the event.
    pub fn event(&self) -> Option<EventInfo> {
        Some(EventInfo::of::<T>())
    }
}

/// A type that is not an event.
pub trait NotAnEvent {
    #[doc(hidden)]
    fn event(&self) -> Option<EventInfo> {
        None
    }
}

impl<T> NotAnEvent for EventOf<T> {}
