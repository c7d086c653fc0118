//! 自定义异常 / custom exceptions in use: `/wss/errors`.
//!
//! | request | result |
//! |---|---|
//! | `?fail=teapot` | the handshake is refused with 418, the status of the error |
//! | `?fail=unknown` | the handshake is refused with 500 and without detail: the error has no handler |
//! | text `boom` | the typed error's handler answers with JSON; the connection stays open |
//! | text `panic` | only this connection ends, with 1011 |

use ws_core::prelude::*;

use crate::{errors::Boom, middleware::fail_on_request};

/// Fails on request.
#[ws_controller(path = "/wss/errors", middleware(fail_on_request))]
struct Errors;

impl Controller for Errors {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text() {
            Some("boom") => Err(Boom.into()),
            Some("panic") => deliberate_panic(),
            Some(text) => Ok(conn.push(format!("{text} (send `boom` or `panic` to see an error)"))?),
            None => Ok(conn.send(message).await?),
        }
    }
}

/// Stands for a bug.
#[expect(clippy::panic, reason = "the demo shows that a panic ends its own connection only")]
fn deliberate_panic() -> Result {
    panic!("a client asked for a panic")
}
