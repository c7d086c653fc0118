use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, _: Reply) {}

    #[on_text]
    async fn text(&self, _: Reply) {}

    #[on_event("twice")]
    async fn twice(&self, _: Reply, _: Option<Reply>) {}

    #[on_event("both")]
    async fn both(&self, _: Reply, _: Data<u8>) -> Result<Data<u8>> {
        Ok(Data(1))
    }
}

fn main() {}
