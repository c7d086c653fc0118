//! Every attribute in a crate that depends on `ws-core` under another name. All names have their
//! path, also the attributes.

use net::{
    Bytes, CloseReason, Connection, ConnectionId, Data, Event, Message, Next, Path, Recovery, Response,
    Result, Scene, State, Text,
    error::OrStatus as _,
    handlers::{Callback, EventName, NextHandler},
    handshake::Handshake,
};

net::link!(net);

/// A value of the application.
#[derive(Clone)]
pub struct Greeting(pub &'static str);

/// Counts in the context of the connection.
#[derive(Clone, Copy)]
struct Handled(u32);

#[net::ws_middleware(crate = net)]
async fn server_wide(handshake: Handshake, next: Next<'_>, State(_): State<Greeting>) -> Result<Response> {
    next.run(handshake).await
}

#[net::ws_middleware(crate = net, scope = "route")]
async fn of_the_route(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    handshake.header("x-user").or_status(401, "the user is missing")?;
    next.run(handshake).await
}

#[net::ws_interceptor(crate = net, scope = "route")]
async fn count(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    let context = callback.connection().context();
    let Handled(before) = context.get().unwrap_or(Handled(0));
    context.set(Handled(before + 1));
    next.run(callback).await
}

#[net::ws_error_handler(crate = net)]
async fn refuse(_: &std::num::ParseIntError, _: &Scene) -> Recovery {
    Recovery::error("no_number", "write a number")
}

/// A text of a user.
#[derive(serde::Deserialize, net::WsEvent)]
#[ws_event("say", reply = Said, crate = net)]
struct Say {
    text: String,
}

/// A text was sent.
#[derive(serde::Serialize, net::WsEvent)]
#[ws_event("said", crate = net)]
struct Said {
    len: usize,
}

/// The errors that clients may see.
#[derive(Debug, net::WsError)]
#[ws_error(crate = net)]
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

#[net::ws_controller(
    crate = net,
    path = "/rooms/{room}",
    middleware(of_the_route),
    interceptors(count),
    emits(Said),
    subprotocols("chat"),
    trailing_slash = "either",
    limits(message = "1KiB", overflow = "drop_oldest", over_rate = "refuse")
)]
#[net::guard(has_a_user)]
struct Room {
    #[state]
    greeting: Greeting,
}

#[net::ws_handlers(crate = net)]
impl Room {
    #[net::on_open]
    async fn open(&self, Path(room): &Path<String>) -> Event<String> {
        Event::new("welcome", format!("{} in {room}", self.greeting.0))
    }

    #[net::on_event("double", "twice")]
    #[net::guard(has_a_user)]
    async fn double(&self, Data(number): Data<String>) -> Result<Data<u32>> {
        Ok(Data(number.parse::<u32>()? * 2))
    }

    #[net::on_event("handled")]
    async fn handled(&self, conn: &Connection) -> Data<u32> {
        Data(conn.context().get().map_or(0, |Handled(count)| count))
    }

    #[net::on_event("say", errors(Refused))]
    async fn say(&self, Data(say): Data<Say>) -> Result<Said, Refused> {
        if say.text.is_empty() { Err(Refused::Empty) } else { Ok(Said { len: say.text.len() }) }
    }

    #[net::on_unknown]
    async fn unknown(&self, name: EventName<'_>) -> Data<String> {
        Data(format!("unknown event {name}"))
    }

    #[net::on_text]
    async fn text(&self, text: Text) -> Text {
        text
    }

    #[net::on_binary]
    async fn binary(&self, bytes: Bytes) -> Message {
        Message::from(bytes)
    }

    #[net::on_ping]
    async fn ping(&self, _payload: Bytes) {}

    #[net::on_pong]
    async fn pong(&self, _payload: Bytes) {}

    #[net::on_close]
    async fn close(&self, _id: ConnectionId, _reason: CloseReason) {}
}

#[net::ws_controller(crate = ::net, path = "/raw")]
struct Raw;

#[net::ws_handlers(crate = ::net)]
impl Raw {
    #[net::on_message]
    async fn message(&self, message: Message) -> Message {
        message
    }
}

#[cfg(test)]
mod tests {
    use net::{App, testing::TestApp};

    use super::Greeting;

    #[test]
    fn types_without_a_schema_are_gaps_with_their_places() {
        let contract = App::new().contract();
        let source: Vec<&str> = include_str!("lib.rs").lines().collect();
        let gaps: Vec<(&str, &str)> = contract
            .gaps
            .iter()
            .map(|gap| {
                let line = usize::try_from(gap.location.line).expect("a number of a line");
                (gap.what.as_str(), source[line - 1].trim())
            })
            .collect();
        let say = r#"#[net::on_event("say", errors(Refused))]"#;
        let expected = [
            (
                "the schema of `ws_tests_renamed::Said` in `said`; derive `JsonSchema`",
                "#[net::ws_controller(",
            ),
            ("the message that `open` returns", "#[net::on_open]"),
            ("the schema of `ws_tests_renamed::Said` in the reply to `say`; derive `JsonSchema`", say),
            ("the schema of `ws_tests_renamed::Say` in `say`; derive `JsonSchema`", say),
            ("the message that `unknown` returns", "#[net::on_unknown]"),
            ("the messages that `text` handles", "#[net::on_text]"),
            ("the messages that `binary` handles", "#[net::on_binary]"),
            ("the messages that `message` handles", "#[net::on_message]"),
        ];
        assert_eq!(gaps, expected);
        assert_eq!(contract.strict().map_err(|gaps| gaps.0.len()), Err(8));
    }

    #[tokio::test]
    async fn registrations_under_another_name_are_served() -> Result<(), Box<dyn std::error::Error>> {
        let app = TestApp::start(App::new().state(Greeting("hello"))).await;
        app.connect("/rooms/a").expect_status(401).await;
        let mut client = app.connect("/rooms/a/").header("x-user", "ada").subprotocols(&["chat"]).await?;
        assert_eq!(client.next_text().await?, r#"{"event":"welcome","data":"hello in a"}"#);
        for (sent, answer) in [
            (r#"{"event":"twice","data":"4"}"#, r#"{"event":"twice","data":8}"#),
            (
                r#"{"event":"double","data":"x"}"#,
                r#"{"event":"error","data":{"code":"no_number","message":"write a number"}}"#,
            ),
            (r#"{"event":"handled"}"#, r#"{"event":"handled","data":4}"#),
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
