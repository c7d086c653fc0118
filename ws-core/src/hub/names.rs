//! [`Names`]: the stable names of controllers, found by their types.
//!
//! Rooms and connections are kept by the name of their controller, since a type has no name that is
//! the same in other builds and on other nodes. Users name the type; only this module translates
//! it.

use std::{any::TypeId, collections::HashMap};

use crate::sync::RwLock;

/// A controller as a target addresses it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    Name(&'static str),
    /// A type whose name was not known when the target was made: its route may be added later.
    Type(TypeId),
}

/// The names by type. Written before the start only.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashMap<TypeId, &'static str>>);

impl Names {
    /// Registers a controller. A second name for one type is a start error, so the first one stays.
    pub(crate) fn add(&self, controller: TypeId, name: &'static str) {
        let mut names = self.0.write();
        names.entry(controller).or_insert(name);
    }

    /// Returns the type's name, or the type where it is not known yet.
    pub(super) fn of(&self, controller: TypeId) -> Named {
        self.get(controller).map_or(Named::Type(controller), Named::Name)
    }

    /// Returns the name if there is one. Without one the controller has no connections.
    pub(super) fn resolve(&self, controller: Named) -> Option<&'static str> {
        match controller {
            Named::Name(name) => Some(name),
            Named::Type(controller) => self.get(controller),
        }
    }

    fn get(&self, controller: TypeId) -> Option<&'static str> {
        self.0.read().get(&controller).copied()
    }
}
