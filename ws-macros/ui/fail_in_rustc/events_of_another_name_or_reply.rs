//! Handlers that contradict the types of their events.

use futures_util::stream::{self, Empty};
use serde::{Deserialize, Serialize};
use ws_core::{Text, prelude::*};

const END: &str = "end";

#[derive(Serialize, WsEvent)]
#[ws_event(END)]
struct Reserved;

#[derive(Serialize, WsEvent)]
#[ws_event("said")]
struct Said;

#[derive(Serialize, WsEvent)]
#[ws_event("left")]
struct Left;

#[derive(Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say;

#[derive(Deserialize, WsEvent)]
#[ws_event("count", reply = u32)]
struct Count;

#[derive(Deserialize, WsEvent)]
#[ws_event("history", stream = Said)]
struct History;

struct Names;

#[ws_handlers]
impl Names {
    #[on_event("shout")]
    async fn shout(&self, _: Data<Say>) -> Result<Said> {
        Ok(Said)
    }

    #[on_event("counts")]
    async fn counts(&self, _: Option<Data<Count>>) -> Data<u32> {
        Data(1)
    }
}

struct Replies;

#[ws_handlers]
impl Replies {
    #[on_event("say")]
    async fn say(&self, _: Data<Say>) -> Result<Option<Left>> {
        Ok(None)
    }

    #[on_event("count")]
    async fn count(&self, _: Data<Count>) {}

    #[on_event("history")]
    async fn history(&self, _: Data<History>) -> Data<Said> {
        Data(Said)
    }
}

struct Others;

#[ws_handlers]
impl Others {
    #[on_event("say")]
    async fn say(&self, _: Option<Data<Say>>) -> Stream<Empty<Said>> {
        Stream::new(stream::empty())
    }

    #[on_event("count")]
    async fn count(&self, _: Data<Count>) -> Text {
        Text::from_static("1")
    }

    #[on_event("history")]
    async fn history(&self, _: Data<History>) -> Stream<impl futures_util::Stream<Item = Data<u8>> + use<>> {
        Stream::new(stream::empty())
    }
}

struct Raw;

#[ws_handlers]
impl Raw {
    #[on_event("string")]
    async fn string(&self) -> Result<String> {
        Ok(String::new())
    }

    #[on_event("json")]
    async fn json(&self) -> Option<Json<u8>> {
        None
    }

    #[on_unknown]
    async fn unknown(&self) -> &'static str {
        ""
    }
}

fn main() {}
