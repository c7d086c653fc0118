//! Every callback, every kind of parameter and reply, before and after the struct.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use ws_core::handlers::Cookie;
use ws_core::handlers::EventName;
use ws_core::handlers::Header;
use ws_core::{headers::UserAgent, prelude::*};

/// A payload that borrows.
#[derive(Debug, Deserialize)]
struct Say<'a> {
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct Said<'a> {
    text: &'a str,
}

#[derive(Clone)]
struct Users;

#[derive(Clone)]
struct Claims(String);

async fn open_to_all(_: &Handshake) -> Result {
    Ok(())
}

mod guards {
    pub(crate) async fn own_error(_: &ws_core::Handshake) -> Result<(), std::fmt::Error> {
        Ok(())
    }
}

#[ws_handlers]
impl Room {
    /// Documented.
    #[on_open]
    #[guard(open_to_all)]
    async fn open<'a>(&self, conn: &'a Connection, Path(room): &'a Path<String>) -> Result<Event<Said<'a>>> {
        let _ = conn.id();
        Ok(Event::new("welcome", Said { text: room }))
    }

    #[on_event("say")]
    async fn say(
        &self,
        Data(say): Data<Say<'_>>,
        _: Context<Claims>,
        _: State<Users>,
    ) -> Option<Data<usize>> {
        Some(Data(say.text.len()))
    }

    #[on_event("report")]
    async fn report(&self, conn: &Connection, reply: Reply, Data(text): Data<String>) -> Result {
        conn.spawn(async move { reply.send(text.parse().map(Data::<u8>)).await })?;
        Ok(())
    }

    #[on_event("forget")]
    async fn forget(&self, reply: Option<Reply>, #[cfg(false)] _: Reply) {
        drop(reply);
    }

    #[guard(guards::own_error)]
    #[ws_core::on_event("r#type")]
    async fn r#type(&self, r#type: Option<Data<u8>>) -> Data<String> {
        Data(format!("{:?}", r#type.map(|Data(number)| number)))
    }

    #[on_unknown]
    async fn unknown(&self, name: EventName<'_>, _: &Query<HashMap<String, String>>) -> Data<usize> {
        Data(name.len())
    }

    #[on_text]
    async fn text(&self, text: &str, _: Option<&Header<UserAgent>>, _: &Cookie) -> Message {
        Message::text(text)
    }

    #[on_message]
    async fn rest(
        &self,
        message: Message,
        _: Hub,
        _: ConnectionId,
        _: Connection,
        _: &Handshake,
    ) -> Result<Text, &'static str> {
        let _ = message;
        Err("never mind")
    }

    #[on_ping]
    async fn ping(&self, payload: Bytes) {
        drop(payload);
    }

    #[on_pong]
    async fn pong(&self) {}

    #[on_close]
    async fn close(&self, reason: CloseReason, #[cfg(false)] _: NoSuchType) -> Result {
        drop(reason);
        Ok(self.helper())
    }

    #[cfg(false)]
    #[on_event("never")]
    async fn never(&self, _: NoSuchType) -> NoSuchType {}

    fn helper(&self) {
        let _ = self.claims.as_ref().map(|claims| &claims.0);
    }
}

#[ws_controller(path = "/rooms/{room}", interceptors(timing))]
#[guard(open_to_all)]
struct Room {
    claims: Option<Claims>,
}

#[ws_interceptor(scope = "route")]
async fn timing(callback: Callback<'_>, next: NextHandler<'_>, _: State<Users>) -> Result {
    next.run(callback).await
}
