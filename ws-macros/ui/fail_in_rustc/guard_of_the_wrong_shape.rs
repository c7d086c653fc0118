use ws_core::prelude::*;

async fn takes_nothing() -> Result {
    Ok(())
}

async fn takes_connection(_: &Connection) -> Result {
    Ok(())
}

fn does_not_wait(_: &Handshake) -> Result {
    Ok(())
}

async fn says_bool(_: &Handshake) -> bool {
    true
}

async fn takes_a_number(_: &Connection, _: u8) -> Result {
    Ok(())
}

async fn generic<T>(_: &Connection) -> Result {
    Ok(())
}

#[ws_controller(path = "/rooms")]
#[guard(takes_nothing)]
#[guard(takes_connection)]
#[guard(does_not_wait)]
#[guard(says_bool)]
#[guard(nowhere)]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event("wait")]
    #[guard(does_not_wait)]
    async fn wait(&self) {}

    #[on_event("bool")]
    #[guard(says_bool)]
    async fn bool(&self) {}

    #[on_event("number")]
    #[guard(takes_a_number)]
    async fn number(&self) {}

    #[on_event("generic")]
    #[guard(generic)]
    async fn generic(&self) {}
}

fn main() {}
