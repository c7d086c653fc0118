//! A JSON event with attributes. `by_hand` is the same without, and shares the types of the
//! payload.

use ws_core::{
    Connection, Data, Result,
    handlers::{Header, Path},
    headers::Host,
    ws_handlers,
};

use super::by_hand::{Said, Say};

/// A pattern that `PATH` matches.
pub(super) const ROOM_PATH: &str = "/{room}";

pub(super) struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say>) -> Data<Said> {
        Data(Said::from(say))
    }
}

/// The chat with two parameters from the handshake, which are kept with the connection.
pub(super) struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn check(&self, conn: &Connection, Path(room): &Path<String>, host: &Header<Host>) -> Result {
        let is_kept = conn.handshake().uri().path().ends_with(room.as_str()) && !host.hostname().is_empty();
        if is_kept { Ok(()) } else { Err("the handshake is not readable".into()) }
    }

    #[on_event("say")]
    async fn say(&self, _room: &Path<String>, _host: &Header<Host>, Data(say): Data<Say>) -> Data<Said> {
        Data(Said::from(say))
    }
}
