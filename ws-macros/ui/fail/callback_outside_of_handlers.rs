use ws_core::prelude::*;

struct Room;

impl Room {
    #[on_open]
    async fn open(&self) {}

    #[on_event("say")]
    async fn say(&self) {}

    #[guard(may_wave)]
    async fn wave(&self) {}
}

#[on_close]
async fn close() {}

#[guard(may_wave)]
#[ws_controller(path = "/room")]
struct Above;

impl Controller for Above {}

#[ws_controller(path = "/fields")]
struct Fields {
    #[guard(may_wave)]
    field: u8,
}

impl Controller for Fields {}

fn main() {}
