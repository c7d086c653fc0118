//! Panics in the typed layer: in each kind of handler, in its parameters, guards and replies.

use futures_util::stream;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ws_core::handlers::EventName;
use ws_core::{
    handlers::{FromHandshake, Input, Param, ParamError, Setup},
    prelude::*,
};

use super::{Case, Closed, Stage, panic_at, settle_in};

/// Parsed before the 101.
struct Parsed;

impl FromHandshake for Parsed {
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        panic_at(handshake, "from-handshake");
        Ok(Self)
    }
}

/// Kept before the 101, read at each call.
struct Read;

impl<'a> Param<'a> for Read {
    type Kept = ();

    fn keep(setup: &Setup<'_>) -> Result<(), ParamError> {
        panic_at(setup.handshake(), "keep");
        Ok(())
    }

    fn get(_: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
        panic_at(input.connection().handshake(), "get");
        Ok(Self)
    }
}

struct Undecodable;

impl<'de> Deserialize<'de> for Undecodable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("on purpose: a Deserialize")
    }
}

struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("on purpose: a Serialize")
    }
}

async fn of_the_controller(handshake: &Handshake) -> Result {
    panic_at(handshake, "guard");
    Ok(())
}

async fn of_a_method(_: &Handshake) -> Result {
    panic!("on purpose: a guard")
}

#[ws_controller(path = "/typed", server = "faults")]
#[guard(of_the_controller)]
struct Typed;

#[ws_handlers]
impl Typed {
    #[on_open]
    async fn open(&self, conn: &Connection, _: &Parsed) -> Result {
        settle_in(conn)?;
        panic_at(conn.handshake(), "open");
        Ok(())
    }

    #[on_event("event")]
    async fn event(&self) {
        panic!("on purpose: an event");
    }

    #[on_event("param")]
    async fn param(&self, _: Read) {}

    #[on_event("data")]
    async fn data(&self, _: Data<Undecodable>) {}

    #[on_event("reply")]
    async fn reply(&self) -> Data<Unencodable> {
        Data(Unencodable)
    }

    #[on_event("guarded")]
    #[guard(of_a_method)]
    async fn guarded(&self) {}

    #[on_event("stream")]
    async fn stream(&self) -> Stream<impl futures_util::Stream<Item = Data<u32>> + use<>> {
        Stream::new(stream::unfold(0, async |number| {
            assert!(number < 2, "on purpose: an item of a stream");
            Some((Data(number), number + 1))
        }))
    }

    #[on_unknown]
    async fn unknown(&self, name: EventName<'_>) {
        panic!("on purpose: {}", &*name);
    }

    #[on_text]
    async fn text(&self) {
        panic!("on purpose: a text");
    }

    #[on_binary]
    async fn binary(&self) {
        panic!("on purpose: a binary message");
    }

    #[on_ping]
    async fn ping(&self) {
        panic!("on purpose: a ping");
    }

    #[on_pong]
    async fn pong(&self) {
        panic!("on purpose: a pong");
    }

    #[on_close]
    async fn close(&self, conn: &Connection, reason: CloseReason) {
        Closed::tell(conn, reason);
        panic_at(conn.handshake(), "close");
    }
}

#[tokio::test]
async fn a_panic_in_a_typed_handler_or_around_it_closes_its_own_connection_with_1011() {
    let mut stage = Stage::start().await;
    let text = |payload: &'static str| Some((0x81, payload.as_bytes()));
    let cases = [
        ("/typed?open", None),
        ("/typed", text(r#"{"event":"event"}"#)),
        ("/typed?get", text(r#"{"event":"param"}"#)),
        ("/typed", text(r#"{"event":"data","data":1}"#)),
        ("/typed", text(r#"{"event":"reply"}"#)),
        ("/typed", text(r#"{"event":"guarded"}"#)),
        ("/typed", text(r#"{"event":"stream"}"#)),
        ("/typed", text(r#"{"event":"nobody's"}"#)),
        ("/typed", text("no envelope")),
        ("/typed", Some((0x82, &b"binary"[..]))),
        ("/typed", Some((0x89, &b""[..]))),
        ("/typed", Some((0x8a, &b""[..]))),
        ("/typed?before-event", text(r#"{"event":"param"}"#)),
        ("/typed?after-event", text(r#"{"event":"param"}"#)),
    ];
    for (target, sends) in cases {
        let (gets, reason) = ((1011, "internal error"), Some(CloseReason::Panic));
        stage.plays(Case { target, sends, gets, reason, says: "a callback panicked" }).await;
    }
}

#[tokio::test]
async fn a_panic_in_a_typed_on_close_keeps_the_close_frame_and_the_reason() {
    let mut stage = Stage::start().await;
    let reason = Some(CloseReason::Peer { code: Some(1001), reason: "".into() });
    let (target, sends, gets) = ("/typed?close", Some((0x88, &[0x03, 0xe9][..])), (1001, ""));
    stage.plays(Case { target, sends, gets, reason, says: "a callback panicked" }).await;
}
