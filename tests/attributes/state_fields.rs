use std::sync::{Arc, atomic::AtomicU64};

use ws_core::prelude::*;

#[derive(Clone)]
struct Users(Arc<Vec<String>>);

#[derive(Clone)]
struct Clock<T>(T);

#[ws_controller(path = "/named")]
struct Named {
    #[state]
    users: Users,
    /// Documented, and of a type with arguments.
    #[state]
    clock: Clock<Option<u64>>,
    seen: AtomicU64,
    pair: (u8, String),
}

impl Controller for Named {
    async fn on_open(&self, conn: &Connection) -> Result {
        let count = self.seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        conn.push(format!("{count} {:?} {:?} {:?}", self.users.0, self.clock.0, self.pair))?;
        Ok(())
    }
}

#[ws_controller(path = "/tuple")]
struct Tuple(#[state] Users, AtomicU64, #[state] pub &'static str);

impl Controller for Tuple {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.push(format!("{:?} {:?} {}", self.0.0, self.1, self.2))?;
        Ok(())
    }
}

#[ws_controller(path = "/unit")]
struct Unit;

impl Controller for Unit {}

#[ws_controller(path = "/empty")]
struct Empty {}

impl Controller for Empty {}

#[ws_controller(path = "/empty-tuple")]
struct EmptyTuple();

impl Controller for EmptyTuple {}
