//! Panics on an open connection: in the callbacks, around them, and in the drop of their values.

use serde::{Serialize, Serializer};
use ws_core::{Bytes, CloseReason, Connection, Controller, Message, Result};

use super::{Bomb, Case, Closed, Stage, Unanswerable, Undroppable, Unspeakable, panic_at, settle_in};

/// Panics at the requested place; otherwise it echoes.
pub(super) struct Fragile;

struct Unserialisable;

impl Serialize for Unserialisable {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        panic!("on purpose: a Serialize")
    }
}

impl Controller for Fragile {
    async fn on_open(&self, conn: &Connection) -> Result {
        settle_in(conn)?;
        panic_at(conn.handshake(), "open");
        if conn.handshake().query() == Some("context") {
            conn.context().set(Bomb);
        }
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        panic_at(conn.handshake(), "message");
        match conn.handshake().query() {
            Some("waiting") => {
                tokio::task::yield_now().await;
                panic_at(conn.handshake(), "waiting");
            }
            Some("serialize") => conn.push_json(&Unserialisable)?,
            Some("error-handler") => return Err(Unanswerable.into()),
            Some("text") => return Err(Unspeakable.into()),
            Some("error") => return Err(Undroppable(std::io::Error::other("source")).into()),
            Some("update") => {
                conn.context().set(0_u8);
                conn.context().update(|_: &mut u8| panic!("on purpose: under a lock"));
            }
            Some("cut") => {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        Ok(conn.push(message)?)
    }

    async fn on_ping(&self, conn: &Connection, _: Bytes) -> Result {
        panic_at(conn.handshake(), "ping");
        Ok(())
    }

    async fn on_pong(&self, conn: &Connection, _: Bytes) -> Result {
        panic_at(conn.handshake(), "pong");
        Ok(())
    }

    async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
        Closed::tell(conn, reason);
        panic_at(conn.handshake(), "close");
        Ok(())
    }
}

const TEXT: Option<(u8, &[u8])> = Some((0x81, b"now"));
const PING: Option<(u8, &[u8])> = Some((0x89, b"now"));
const PONG: Option<(u8, &[u8])> = Some((0x8a, b"now"));
const CLOSE: Option<(u8, &[u8])> = Some((0x88, &[0x03, 0xe8]));

#[tokio::test]
async fn a_panic_in_a_callback_closes_only_its_own_connection_with_1011() {
    let mut stage = Stage::start().await;
    let cases = [
        ("open", None),
        ("message", TEXT),
        ("waiting", TEXT),
        ("ping", PING),
        ("pong", PONG),
        ("serialize", TEXT),
        ("update", TEXT),
        ("before-open", None),
        ("after-open", None),
        ("before-message", TEXT),
        ("after-message", TEXT),
        ("before-control", PING),
    ];
    for (place, sends) in cases {
        let target = format!("/raw?{place}");
        let (gets, reason) = ((1011, "internal error"), Some(CloseReason::Panic));
        stage.plays(Case { target: &target, sends, gets, reason, says: "a callback panicked" }).await;
    }
}

#[tokio::test]
async fn a_panic_while_closing_keeps_the_close_frame_and_the_reason() {
    let mut stage = Stage::start().await;
    let by_the_peer = CloseReason::Peer { code: Some(1000), reason: "".into() };
    let cases = [
        ("close", Some(&by_the_peer), "a callback panicked"),
        ("after-close", Some(&by_the_peer), "a callback panicked"),
        ("before-close", None, "a callback panicked"),
        ("context", Some(&by_the_peer), "user code panicked in a drop"),
    ];
    for (place, reason, says) in cases {
        let target = format!("/raw?{place}");
        let (gets, reason) = ((1000, ""), reason.cloned());
        stage.plays(Case { target: &target, sends: CLOSE, gets, reason, says }).await;
    }
}

#[tokio::test]
async fn a_panic_of_an_error_or_of_its_handler_ends_its_own_connection() {
    let mut stage = Stage::start().await;
    let internal = (1011, "internal error");
    let cases = [
        ("error-handler", internal, CloseReason::Panic, "an error handler panicked"),
        ("text", (1011, ""), CloseReason::Error { code: 1011 }, "(its `Display` panicked)"),
        ("error", (1011, ""), CloseReason::Error { code: 1011 }, "user code panicked in a drop"),
    ];
    for (place, gets, reason, says) in cases {
        let target = format!("/raw?{place}");
        stage.plays(Case { target: &target, sends: TEXT, gets, reason: Some(reason), says }).await;
    }
}
