//! Interceptors: around open, messages, events and close.

use std::sync::{Arc, Mutex};

use ws_core::handlers::CallbackKind;
use ws_core::prelude::*;

use super::{ask, serve_registered};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn log(conn: &Connection) -> Log {
    conn.context().get_or_insert_with(Log::default)
}

#[ws_interceptor(server = "intercepted", order = 2)]
async fn inner(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    let log = log(callback.connection());
    log.add(format!("inner {:?}", callback.kind()));
    let outcome = next.run(callback).await;
    log.add(format!("inner {}", if outcome.is_ok() { "ok" } else { "failed" }));
    outcome
}

#[ws_interceptor(server = "intercepted", order = 1)]
async fn outer(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    log(callback.connection()).add("outer".to_owned());
    next.run(callback).await
}

#[ws_interceptor(scope = "route")]
async fn no_swearing(callback: Callback<'_>, next: NextHandler<'_>, State(word): State<BadWord>) -> Result {
    if callback.kind() == CallbackKind::Event(word.0) {
        return Err(Error::new("swearing").code("language").public("mind your language"));
    }
    next.run(callback).await
}

#[derive(Clone)]
pub(super) struct BadWord(pub(super) &'static str);

#[ws_controller(path = "/typed", server = "intercepted", interceptors(no_swearing))]
struct Typed;

#[ws_handlers]
impl Typed {
    #[on_open]
    async fn open(&self) {}

    #[on_event("log")]
    async fn log(&self, conn: &Connection) -> Data<Vec<String>> {
        Data(log(conn).take())
    }

    #[on_event("damn")]
    async fn damn(&self) -> Data<bool> {
        Data(true)
    }

    #[on_event("fail")]
    async fn fail(&self) -> Result {
        Err("x".into())
    }

    #[on_unknown]
    async fn unknown(&self) {}

    #[on_text]
    async fn text(&self) {}
}

#[ws_controller(path = "/raw", server = "intercepted")]
struct Raw;

impl Controller for Raw {
    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        Ok(conn.push_json(&log(conn).take())?)
    }
}

#[tokio::test]
async fn interceptors_run_around_each_event_by_order() {
    let app = serve_registered().await;
    let mut client = app.connect_to("intercepted", "/typed").await.unwrap();
    let got = ask(&mut client, r#"{"event":"log"}"#).await;
    assert_eq!(
        got["data"],
        serde_json::json!(["outer", "inner Open", "inner ok", "outer", r#"inner Event("log")"#])
    );
    client.send_text("plain").await;
    client.send_text(r#"{"event":"nobody"}"#).await;
    let got = ask(&mut client, r#"{"event":"fail"}"#).await;
    assert_eq!(got["data"]["code"], "internal");
    let got = ask(&mut client, r#"{"event":"log"}"#).await;
    assert_eq!(
        got["data"],
        serde_json::json!([
            "inner ok", // the end of the first `log`
            "outer",
            "inner Message",
            "inner ok",
            "outer",
            r#"inner Event("nobody")"#,
            "inner ok",
            "outer",
            r#"inner Event("fail")"#,
            "inner failed",
            "outer",
            r#"inner Event("log")"#
        ])
    );
}

#[tokio::test]
async fn an_interceptor_that_a_controller_names_may_refuse_a_call() {
    let app = serve_registered().await;
    let mut client = app.connect_to("intercepted", "/typed").await.unwrap();
    let got = ask(&mut client, r#"{"event":"damn","ref":1}"#).await;
    assert_eq!(got["data"], serde_json::json!({"code": "language", "message": "mind your language"}));
}

#[tokio::test]
async fn raw_controllers_are_intercepted_as_well() {
    let app = serve_registered().await;
    let mut client = app.connect_to("intercepted", "/raw").await.unwrap();
    let got = ask(&mut client, "hi").await;
    assert_eq!(got, serde_json::json!(["outer", "inner Open", "inner ok", "outer", "inner Message"]));
}

#[tokio::test]
async fn pings_and_the_end_are_intercepted_as_well() {
    for path in ["/typed", "/raw"] {
        let app = serve_registered().await;
        let mut client = app.connect_to("intercepted", path).await.unwrap();
        let hub = app.running().hub();
        ask(&mut client, r#"{"event":"log"}"#).await;
        let conn = hub.get_local(hub.all().ids_local()[0]).unwrap();
        let log = log(&conn);
        client.ping("p").await;
        client.close(1000, "").await;
        client.expect_close(1000).await;
        drop(client);
        app.shutdown().await;
        let of_log = "inner ok";
        let expected = [of_log, "outer", "inner Control", "inner ok", "outer", "inner Close", "inner ok"];
        assert_eq!(log.take(), expected, "{path}");
    }
}
