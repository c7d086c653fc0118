//! [`Names`]: the stable names of controllers, found by their types.
//!
//! Rooms and connections are indexed by the name of their controller, since a `TypeId` differs
//! between builds and nodes. Users of the hub name the type; only this module translates it to the
//! name.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

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
pub(crate) struct Names {
    by_type: RwLock<HashMap<TypeId, &'static str>>,
    /// Whether a route accepts MessagePack, so that events for other nodes are encoded in it.
    use_msgpack: AtomicBool,
}

impl Names {
    /// Registers a controller. A second name for one type is a start error, so the first one stays.
    pub(crate) fn add(&self, controller: TypeId, name: &'static str) {
        let mut names = self.by_type.write();
        names.entry(controller).or_insert(name);
    }

    /// Records that a route accepts MessagePack.
    pub(crate) fn add_msgpack(&self) {
        self.use_msgpack.store(true, Ordering::Relaxed);
    }

    /// Whether a route accepts MessagePack.
    pub(super) fn use_msgpack(&self) -> bool {
        self.use_msgpack.load(Ordering::Relaxed)
    }

    /// Returns all names.
    pub(super) fn all(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.by_type.read().values().copied().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the name of a controller that another node has sent.
    pub(super) fn find(&self, name: &str) -> Option<&'static str> {
        self.by_type.read().values().find(|known| **known == name).copied()
    }

    /// Returns the controller of a name that another node has sent, or one without connections if
    /// this node has no such controller.
    pub(super) fn find_or_unused(&self, name: &str) -> Named {
        Named::Name(self.find(name).unwrap_or("\0"))
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
        self.by_type.read().get(&controller).copied()
    }
}
