use ws_core::prelude::*;

struct Room;
struct User;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, _user: User) {}

    #[on_event("shout")]
    async fn shout<'a>(&self, _user: &'a User) {}
}

fn main() {}
