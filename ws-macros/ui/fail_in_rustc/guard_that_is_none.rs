use ws_core::prelude::*;

async fn takes_nothing() -> Result {
    Ok(())
}

fn does_not_wait(_: &Handshake) -> Result {
    Ok(())
}

async fn says_bool(_: &Handshake) -> bool {
    true
}

#[ws_controller(path = "/rooms")]
#[guard(takes_nothing)]
#[guard(nowhere)]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    #[guard(does_not_wait)]
    async fn say(&self) {}

    #[on_event("shout")]
    #[guard(says_bool)]
    async fn shout(&self) {}
}

fn main() {}
