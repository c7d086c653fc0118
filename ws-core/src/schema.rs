//! [`Schemas`]: collects the JSON schemas of the types in events, for documents.
//!
//! Generated code asks [`SchemaOf`] for the schema of a type. The type has one if it implements
//! schemars' `JsonSchema`; for other types [`NoSchema`] provides a method of the same name, so that
//! no type needs the trait. Without the feature `asyncapi` no type has a schema, and generated code
//! does not ask ([`describe!`](crate::__describe)).
//!
//! A schema is collected per direction, because serde may accept other data than it writes. Named
//! types become components. Two types of the same name are told apart by their contents, and get
//! their final names in [`Schemas::finish`].

use std::marker::PhantomData;

use serde_json::Value;

#[cfg(feature = "asyncapi")]
pub use self::collected::Schemas;
#[cfg(feature = "asyncapi")]
pub(crate) use self::{
    collected::Components,
    names::key,
    walk::{each_reference, sorted},
};

#[cfg(feature = "asyncapi")]
mod collected;
#[cfg(feature = "asyncapi")]
mod names;
#[cfg(feature = "asyncapi")]
mod walk;

/// The collector of a build without the feature `asyncapi`. It has no values.
#[cfg(not(feature = "asyncapi"))]
#[derive(Debug)]
pub enum Schemas {}

/// The direction in which data is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server: what `Deserialize` accepts.
    Received,
    /// From the server to the client: what `Serialize` writes.
    Sent,
}

/// The schema of a type, if it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeSchema {
    /// The schema. Its references are resolved when all types are collected.
    pub schema: Option<Value>,
    /// The name of the type, for the list of the types without a schema.
    pub type_name: &'static str,
}

/// A type whose schema is asked for.
#[derive(Debug)]
pub struct SchemaOf<T: ?Sized>(PhantomData<fn() -> PhantomData<T>>);

impl<T: ?Sized> SchemaOf<T> {
    /// Names the type.
    #[expect(clippy::new_without_default, reason = "generated code names the type")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

#[cfg(feature = "asyncapi")]
impl<T: schemars::JsonSchema + ?Sized> SchemaOf<T> {
    /// Collects the schema of the type.
    pub fn get(&self, schemas: &mut Schemas, direction: Direction) -> TypeSchema {
        TypeSchema { schema: Some(schemas.add::<T>(direction)), type_name: std::any::type_name::<T>() }
    }
}

/// A type without a schema.
pub trait NoSchema {
    #[doc(hidden)]
    fn get(&self, schemas: &mut Schemas, direction: Direction) -> TypeSchema;
}

impl<T: ?Sized> NoSchema for SchemaOf<T> {
    fn get(&self, _: &mut Schemas, _: Direction) -> TypeSchema {
        TypeSchema { schema: None, type_name: std::any::type_name::<T>() }
    }
}
