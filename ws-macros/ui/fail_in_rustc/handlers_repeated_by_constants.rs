use ws_core::prelude::*;

mod names {
    pub const SAY: &str = "say";
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("speak", names::SAY)]
    async fn say(&self) {}

    #[on_event(concat!("s", "ay"))]
    async fn say_again(&self) {}

    #[cfg(all())]
    #[on_event("kick")]
    async fn kick(&self) {}

    #[cfg(all())]
    #[on_event("kick")]
    async fn kick_again(&self) {}
}

fn main() {}
