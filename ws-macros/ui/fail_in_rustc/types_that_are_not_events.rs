//! Types where an event or an error type is expected.

use serde::{Deserialize, Serialize};
use ws_core::{Route, prelude::*};

#[derive(Serialize)]
struct Plain;

#[derive(Deserialize, WsEvent)]
#[ws_event("say")]
struct OnlyReceived;

#[derive(Serialize, WsEvent)]
#[ws_event("said")]
struct NoAnswer;

#[derive(Debug)]
struct NoError;

#[derive(WsError)]
#[ws_error(code = "no_error")]
struct NotAnError;

#[ws_controller(path = "/", emits(NoAnswer, Plain, u8))]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event("a", errors(NoError))]
    async fn a(&self) {}

    #[on_event("b")]
    async fn b(&self) -> Plain {
        Plain
    }

    #[on_event("say")]
    async fn c(&self, Data(say): Data<OnlyReceived>) -> OnlyReceived {
        say
    }
}

async fn sends(conn: &Connection) -> Result {
    conn.emit(&Plain)?;
    conn.emit(&OnlyReceived)?;
    conn.hub().all().emit(&Plain);
    conn.ask(&NoAnswer).await?;
    Ok(())
}

fn by_hand() -> Route {
    Route::new("/", Room).emits::<Plain>()
}

fn main() {}
