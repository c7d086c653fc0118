//! [`Names`]: the stable names of controllers, found by their types.
//!
//! Rooms and connections are indexed by the name of their controller, since a `TypeId` differs
//! between builds and nodes. Users of the hub name the type; only this module translates it to the
//! name.

use std::{any::TypeId, collections::HashMap};

use crate::sync::RwLock;

/// The controller of a target, by its name if that is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    Name(&'static str),
    /// A type without a known name when the target was created. Its route may be added later.
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

    /// Returns the name of the type, or the type itself if the name is not known yet.
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
