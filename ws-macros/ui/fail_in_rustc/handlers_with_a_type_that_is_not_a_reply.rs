use ws_core::prelude::*;

struct Room;
struct User;

#[ws_handlers]
impl Room {
    #[on_event("whoami")]
    async fn whoami(&self) -> Result<User> {
        Ok(User)
    }

    #[on_event("debug")]
    async fn debug(&self) -> impl std::fmt::Debug {}
}

fn main() {}
