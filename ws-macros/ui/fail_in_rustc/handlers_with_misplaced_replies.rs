use ws_core::{handlers::IntoReply, prelude::*};

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

struct Lobby;

#[ws_handlers]
impl Lobby {
    #[on_open]
    async fn open(&self, _conn: &Connection) -> impl IntoReply + use<> {
        Some(Data(1u8))
    }

    #[on_event("say")]
    async fn say(&self) -> impl IntoReply + use<> {
        Data(1u8)
    }

    #[on_close]
    async fn close(&self) -> impl IntoReply + use<> {
        "bye"
    }
}

fn main() {}
