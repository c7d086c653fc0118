use ws_core::prelude::*;

#[derive(WsEvent)]
#[ws_event("joined")]
struct Joined;

#[ws_controller(path = "/", emits(Joined, self::Joined, Joined))]
struct Twice;

#[ws_controller(path = "/", emits("joined"))]
struct ByName;

#[ws_controller(path = "/", emits = Joined)]
struct OfAnotherForm;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("a", errors)]
    async fn no_list(&self) {}

    #[on_event("b", errors("empty"))]
    async fn codes(&self) {}

    #[on_unknown(errors(Joined))]
    async fn no_event(&self) {}
}

fn main() {}
