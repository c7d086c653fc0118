use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) {}

    #[on_open]
    async fn open_again(&self) {}

    #[on_event("say")]
    async fn say(&self) {}

    #[on_event("say")]
    async fn say_again(&self) {}

    #[on_event("shout", "say")]
    async fn say_or_shout(&self) {}

    #[on_text]
    async fn text(&self) {}

    #[on_binary]
    async fn binary(&self) {}

    #[on_message]
    async fn rest(&self) {}

    #[on_ping]
    #[on_pong]
    async fn both(&self) {}

    #[on_event("kick")]
    #[guard(admin)]
    #[guard(self::admin)]
    #[guard(admin)]
    async fn kick(&self) {}
}

fn main() {}
