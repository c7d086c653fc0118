use ws_core::prelude::*;

struct Room;

#[ws_handlers(server = "ws")]
impl Room {
    #[on_open("now")]
    async fn open(&self) {}

    #[on_event]
    async fn unnamed(&self) {}

    #[on_event()]
    async fn still_unnamed(&self) {}

    #[on_event("")]
    async fn empty(&self) {}

    #[on_event("error")]
    async fn reserved(&self) {}

    #[on_event("sync")]
    async fn also_reserved(&self) {}

    #[on_event(7)]
    async fn no_text(&self) {}

    #[on_event("speak", "speak")]
    async fn given_twice(&self) {}

    #[on_event("say", order = 1)]
    async fn more(&self) {}

    #[on_event = "say"]
    async fn of_another_form(&self) {}

    #[on_event("kick")]
    #[guard]
    async fn unguarded(&self) {}

    #[on_event("ban")]
    #[guard(admin, owner)]
    async fn guarded_twice(&self) {}

    #[guard(may_wave)]
    async fn wave(&self) {}

    #[guard(may_leave)]
    #[on_close]
    async fn leave(&self) {}
}

fn main() {}
