//! Every attribute in a crate that has `ws-core` only through another crate. All names come from
//! the prelude.

use facade::{
    common::require_user,
    ws::{handlers::EventName, prelude::*},
};

facade::ws::link!(facade);

/// A value of the application.
#[derive(Clone)]
pub struct Greeting(pub &'static str);

#[ws_middleware(crate = facade::ws)]
async fn server_wide(handshake: Handshake, next: Next<'_>, State(_): State<Greeting>) -> Result<Response> {
    next.run(handshake).await
}

#[ws_interceptor(crate = facade::ws, scope = "route")]
async fn pass_on(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    next.run(callback).await
}

#[ws_error_handler(crate = facade::ws)]
async fn refuse(_: &std::num::ParseIntError, _: &Scene) -> Recovery {
    Recovery::error("no_number", "write a number")
}

/// A text of a user.
#[derive(serde::Deserialize, WsEvent)]
#[ws_event("say", reply = Said, crate = facade::ws)]
struct Say {
    text: String,
}

/// A text was sent.
#[derive(serde::Serialize, WsEvent)]
#[ws_event("said", crate = facade::ws)]
struct Said {
    len: usize,
}

/// The errors that clients may see.
#[derive(Debug, WsError)]
#[ws_error(crate = facade::ws)]
enum Refused {
    /// The text is empty.
    #[ws_error(code = "empty")]
    Empty,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("write something")
    }
}

impl std::error::Error for Refused {}

async fn has_a_user(handshake: &Handshake) -> Result {
    handshake.header("x-user").map(drop).or_status(403, "not you")
}

#[ws_controller(
    crate = facade::ws,
    path = "/rooms/{room}",
    middleware(require_user),
    interceptors(pass_on),
    emits(Said),
    subprotocols("chat"),
    trailing_slash = "either",
    limits(message = "1KiB", overflow = "drop_oldest", over_rate = "refuse")
)]
#[guard(has_a_user)]
struct Room {
    #[state]
    greeting: Greeting,
}

#[ws_handlers(crate = facade::ws)]
impl Room {
    #[on_open]
    async fn open(&self, Path(room): &Path<String>) -> Event<String> {
        Event::new("welcome", format!("{} in {room}", self.greeting.0))
    }

    #[on_event("double")]
    #[guard(has_a_user)]
    async fn double(&self, Data(number): Data<String>) -> Result<Data<u32>> {
        Ok(Data(number.parse::<u32>()? * 2))
    }

    #[on_event("say", errors(Refused))]
    async fn say(&self, Data(say): Data<Say>) -> Result<Said, Refused> {
        if say.text.is_empty() { Err(Refused::Empty) } else { Ok(Said { len: say.text.len() }) }
    }

    #[on_unknown]
    async fn unknown(&self, name: EventName<'_>) -> Data<String> {
        Data(format!("unknown event {name}"))
    }

    #[on_text]
    async fn text(&self, text: Text) -> Text {
        text
    }

    #[on_binary]
    async fn binary(&self, bytes: Bytes) -> Message {
        Message::from(bytes)
    }

    #[on_ping]
    async fn ping(&self, _payload: Bytes) {}

    #[on_pong]
    async fn pong(&self, _payload: Bytes) {}

    #[on_close]
    async fn close(&self, _id: ConnectionId, _reason: CloseReason) {}
}

#[ws_controller(crate = facade::ws, path = "/raw")]
struct Raw;

#[ws_handlers(crate = facade::ws)]
impl Raw {
    #[on_message]
    async fn message(&self, message: Message) -> Message {
        message
    }
}

#[cfg(test)]
mod tests {
    use facade::ws::{App, testing::TestApp};

    use super::Greeting;

    #[tokio::test]
    async fn registrations_through_another_crate_are_served() -> Result<(), Box<dyn std::error::Error>> {
        let app = TestApp::start(App::new().state(Greeting("hello"))).await;
        app.connect("/rooms/a").expect_status(401).await;
        let mut client = app.connect("/rooms/a/").header("x-user", "ada").subprotocols(&["chat"]).await?;
        assert_eq!(client.next_text().await?, r#"{"event":"welcome","data":"hello in a"}"#);
        for (sent, answer) in [
            (r#"{"event":"double","data":"4"}"#, r#"{"event":"double","data":8}"#),
            (
                r#"{"event":"double","data":"x"}"#,
                r#"{"event":"error","data":{"code":"no_number","message":"write a number"}}"#,
            ),
            (r#"{"event":"say","data":{"text":"hi"}}"#, r#"{"event":"said","data":{"len":2}}"#),
            (
                r#"{"event":"say","data":{"text":""}}"#,
                r#"{"event":"error","data":{"code":"empty","message":"write something"}}"#,
            ),
            (r#"{"event":"else"}"#, r#"{"event":"else","data":"unknown event else"}"#),
            ("unchanged", "unchanged"),
        ] {
            client.send_text(sent).await;
            assert_eq!(client.next_text().await?, answer, "{sent}");
        }
        let mut client = app.connect("/raw").await?;
        client.send_text("raw").await;
        assert_eq!(client.next_text().await?, "raw");
        Ok(())
    }
}
