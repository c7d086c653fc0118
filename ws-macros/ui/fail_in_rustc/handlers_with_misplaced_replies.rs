use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) -> Result<Data<u8>> {
        Ok(Data(1))
    }

    #[on_text]
    async fn text(&self) -> Option<Data<u8>> {
        None
    }

    #[on_close]
    async fn close(&self) -> &'static str {
        "bye"
    }
}

fn main() {}
