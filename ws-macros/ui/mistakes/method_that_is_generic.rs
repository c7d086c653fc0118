//! A generic handler
//! Write: the type: `Data<Say>`, or `Data<serde_json::Value>` for any

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say<T: serde::de::DeserializeOwned>(&self, _: Data<T>) {}
}

fn main() {}
