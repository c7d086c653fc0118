//! A guard with a parameter that handlers do not have
//! Write: a parameter that a handler may have, such as `Context<Name>`

use ws_core::prelude::*;

async fn admin(name: String) -> Result {
    println!("{name}");
    Ok(())
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("close")]
    #[guard(admin)]
    async fn close(&self) {}
}

fn main() {}
