//! Errors inside of `anyhow::Error` are found by their type.

use anyhow::Context as _;
use ws_core::prelude::*;

use super::{ask, serve_registered};

#[derive(Debug, thiserror::Error)]
#[error("account {0} is locked")]
struct Locked(u32);

#[ws_error_handler(server = "guarded")]
async fn locked(error: &Locked, _: &Scene) -> Recovery {
    Recovery::error("locked", error.to_string())
}

fn find() -> Result<(), Locked> {
    Err(Locked(1))
}

fn service() -> anyhow::Result<()> {
    find().context("while looking for it")
}

fn token(handshake: &Handshake) -> anyhow::Result<String> {
    Ok(handshake.bearer_token()?.to_owned())
}

#[ws_middleware(scope = "route")]
async fn needs_a_token(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    token(&handshake)?;
    next.run(handshake).await
}

#[ws_controller(path = "/anyhow", server = "guarded")]
struct Open;

#[ws_handlers]
impl Open {
    #[on_event("direct")]
    async fn direct(&self) -> Result {
        Ok(find()?)
    }

    #[on_event("service")]
    async fn service(&self) -> Result {
        Ok(service()?)
    }

    #[on_event("returned")]
    async fn returned(&self) -> anyhow::Result<()> {
        Ok(find()?)
    }
}

#[ws_controller(path = "/anyhow/private", server = "guarded", middleware(needs_a_token))]
struct Private;

impl Controller for Private {}

#[tokio::test]
async fn a_typed_error_handler_is_called() {
    let app = serve_registered().await;
    let mut client = app.connect_to("guarded", "/anyhow").await.unwrap();
    for event in ["direct", "service", "returned"] {
        let got = ask(&mut client, format!(r#"{{"event":"{event}"}}"#)).await;
        assert_eq!(got["data"]["code"], "locked", "{event}");
    }
}

#[tokio::test]
async fn a_missing_token_is_a_401() {
    let app = serve_registered().await;
    app.connect_to("guarded", "/anyhow/private").expect_status(401).await;
}
