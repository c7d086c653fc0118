//! Guards: on a controller in the handshake, on a method at each call.

use serde_json::json;
use ws_core::prelude::*;

use super::{ask, serve_registered};

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Guest,
    Admin,
}

async fn logged_in(handshake: &Handshake) -> Result {
    handshake.bearer_token()?;
    handshake.context().set(Role::Guest);
    Ok(())
}

async fn not_banned(handshake: &Handshake) -> Result {
    if handshake.bearer_token()? == "banned" {
        return Err("banned since Monday".into());
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("admins only, and you are none")]
struct NoAdmin;

async fn admin(handshake: &Handshake) -> std::result::Result<(), NoAdmin> {
    if handshake.context().get() == Some(Role::Admin) { Ok(()) } else { Err(NoAdmin) }
}

async fn loud(_: &Handshake) -> Result {
    Err(Error::new("x").code("quiet_hours").public("not at night"))
}

#[ws_controller(path = "/guarded", server = "guarded")]
#[guard(logged_in)]
#[guard(not_banned)]
struct Guarded;

#[ws_handlers]
impl Guarded {
    #[on_event("promote")]
    async fn promote(&self, conn: &Connection) -> Data<bool> {
        conn.context().set(Role::Admin);
        Data(true)
    }

    #[on_event("kick")]
    #[guard(admin)]
    async fn kick(&self) -> Data<bool> {
        Data(true)
    }

    #[guard(admin)]
    #[guard(loud)]
    #[on_event("shout")]
    async fn shout(&self) -> Data<bool> {
        Data(true)
    }
}

#[tokio::test]
async fn a_guard_of_a_controller_refuses_the_handshake() {
    let app = serve_registered().await;
    app.connect_to("guarded", "/guarded").expect_status(401).await;
    let refused = app.connect_to("guarded", "/guarded").bearer("banned").expect_status(403).await;
    assert!(!refused.text().contains("Monday"), "{}", refused.text());
    app.connect_to("guarded", "/guarded").bearer("fine").await.unwrap();
}

#[tokio::test]
async fn a_guard_of_a_method_refuses_the_event_as_forbidden() {
    let app = serve_registered().await;
    let mut client = app.connect_to("guarded", "/guarded").bearer("fine").await.unwrap();
    let got = ask(&mut client, r#"{"event":"kick","ref":1}"#).await;
    assert_eq!(
        got,
        json!({"event": "error", "data": {"code": "forbidden", "message": "forbidden"}, "ref": 1})
    );
    ask(&mut client, r#"{"event":"promote"}"#).await;
    let got = ask(&mut client, r#"{"event":"kick","ref":2}"#).await;
    assert_eq!(got, json!({"event": "kick", "data": true, "ref": 2}));
    let got = ask(&mut client, r#"{"event":"shout","ref":3}"#).await;
    assert_eq!(got["data"], json!({"code": "quiet_hours", "message": "not at night"}));
}
