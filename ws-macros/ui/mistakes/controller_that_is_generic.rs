//! A generic controller
//! Write: the types of the fields, such as `store: Arc<dyn Store>`

use ws_core::prelude::*;

#[ws_controller(path = "/room")]
struct Room<T> {
    store: T,
}

fn main() {}
