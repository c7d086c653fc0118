use ws_core::prelude::*;

struct Room;
struct NoError;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) -> Result<(), NoError> {
        Ok(())
    }
}

fn main() {}
