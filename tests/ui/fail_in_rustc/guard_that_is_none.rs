use ws_core::prelude::*;

async fn takes_nothing() -> Result {
    Ok(())
}

#[ws_controller(path = "/rooms")]
#[guard(takes_nothing)]
#[guard(nowhere)]
struct Room;

impl Controller for Room {}

fn main() {}
