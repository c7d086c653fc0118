//! A live poll: the program of `docs/tutorial.md`.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use ws_core::{handshake::TokenSources, prelude::*};

const OPTIONS: [&str; 2] = ["tea", "coffee"];

/// The votes: for each poll and user, the chosen option.
#[derive(Clone, Default)]
struct Votes(Arc<Mutex<BTreeMap<(String, String), String>>>);

impl Votes {
    fn set(&self, poll: &str, user: String, option: String) {
        let mut votes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        votes.insert((poll.to_owned(), user), option);
    }

    fn outcome(&self, poll: &str) -> Outcome {
        let mut counts = BTreeMap::new();
        for ((of, _), option) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if of == poll {
                *counts.entry(option.clone()).or_default() += 1;
            }
        }
        Outcome { counts }
    }
}

/// Votes, or changes the vote.
#[derive(Deserialize, WsEvent)]
#[ws_event("vote", reply = Outcome)]
struct Vote {
    option: String,
}

/// The number of votes for each option.
#[derive(Serialize, WsEvent)]
#[ws_event("outcome")]
struct Outcome {
    counts: BTreeMap<String, u32>,
}

#[derive(Debug, thiserror::Error, WsError)]
enum PollError {
    #[error("choose one of {OPTIONS:?}")]
    #[ws_error(code = "no_such_option")]
    NoSuchOption,
}

/// The user of a connection.
#[derive(Clone)]
struct User(String);

#[ws_middleware(scope = "route")]
async fn require_user(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let user = match &*handshake.token(&TokenSources::new())? {
        "token-of-ann" => User("ann".into()),
        "token-of-bob" => User("bob".into()),
        _ => return Err(Error::new("unknown token").status(401).public("log in first")),
    };
    handshake.context_mut().set(user);
    next.run(handshake).await
}

#[ws_controller(path = "/polls/{poll}", middleware(require_user), subprotocols("poll"))]
struct Poll {
    #[state]
    votes: Votes,
}

#[ws_handlers]
impl Poll {
    #[on_open]
    async fn enter(&self, conn: &Connection, Path(poll): &Path<String>) -> Result<Outcome> {
        conn.join(poll)?;
        Ok(self.votes.outcome(poll))
    }

    #[on_event("vote")]
    async fn vote(
        &self,
        conn: &Connection,
        Path(poll): &Path<String>,
        Context(User(user)): Context<User>,
        Data(vote): Data<Vote>,
    ) -> Result<Outcome, PollError> {
        if !OPTIONS.contains(&&*vote.option) {
            return Err(PollError::NoSuchOption);
        }
        self.votes.set(poll, user, vote.option);
        let outcome = self.votes.outcome(poll);
        conn.room(poll).except(conn.id()).emit(&outcome);
        Ok(outcome)
    }
}

fn app() -> App {
    App::new().state(Votes::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    tracing_subscriber::fmt::init();
    let page = Html(std::fs::read_to_string("page.html")?);
    let pages = Router::new().route("/", get(page));
    app().fallback("ws", pages).run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use ws_core::testing::TestApp;

    use super::app;

    #[tokio::test(start_paused = true)]
    async fn a_vote_reaches_everyone_in_the_poll() {
        let app = TestApp::start(app()).await;
        let mut ann = app.connect("/polls/drinks").bearer("token-of-ann").await.unwrap();
        let mut bob = app.connect("/polls/drinks").bearer("token-of-bob").await.unwrap();
        for client in [&mut ann, &mut bob] {
            let outcome: Value = client.next_event("outcome").await.unwrap();
            assert_eq!(outcome, json!({ "counts": {} }));
        }

        ann.send_event("vote", &json!({ "option": "tea" })).await;
        for client in [&mut ann, &mut bob] {
            let outcome: Value = client.next_event("outcome").await.unwrap();
            assert_eq!(outcome, json!({ "counts": { "tea": 1 } }));
        }

        bob.send_event("vote", &json!({ "option": "water" })).await;
        let error: Value = bob.next_event("error").await.unwrap();
        assert_eq!(error["code"], "no_such_option");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_a_known_token_is_refused() {
        let app = TestApp::start(app()).await;
        app.connect("/polls/drinks").expect_status(401).await;
        app.connect("/polls/drinks").bearer("guessed").expect_status(401).await;
    }
}
