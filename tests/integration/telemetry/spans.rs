//! The spans of handshakes, connections and events, as the log shows them.

use ws_core::{Route, prelude::*, testing::TestApp};

use crate::support::Logs;

struct Traced;

#[ws_handlers]
impl Traced {
    #[on_event("say")]
    async fn say(&self) -> Data<()> {
        tracing::info!("in the handler");
        Data(())
    }
    #[on_unknown]
    async fn unknown(&self) -> Data<()> {
        tracing::info!("in another handler");
        Data(())
    }
}

async fn logs(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    tracing::info!("in the middleware");
    next.run(handshake).await
}

async fn around(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    if let ws_core::handlers::CallbackKind::Event("say") = callback.kind() {
        tracing::info!("in the interceptor");
    }
    next.run(callback).await
}

#[tokio::test]
async fn an_event_has_a_span_with_its_declared_name_around_its_interceptors() {
    let route = || Route::new("/traced/{id}", Traced).name("Traced").middleware(logs);
    for (route, has_interceptor) in [(route(), false), (route().interceptor(around), true)] {
        let logs = Logs::start();
        let app = TestApp::start(App::without_registry().route(route)).await;
        let mut client = app.connect("/traced/1").await.unwrap();
        for event in ["say", "secret"] {
            client.send_json(&serde_json::json!({"event": event, "ref": 1})).await;
            client.next().await.unwrap();
        }
        let line = logs.line("in the middleware");
        assert!(line.contains("handshake{"), "{line}");
        assert!(line.contains(r#"http.request.method="GET""#), "{line}");
        assert!(line.contains(r#"http.route="/traced/{id}""#), "{line}");
        let inside = if has_interceptor {
            vec!["in the handler", "in the interceptor"]
        } else {
            vec!["in the handler"]
        };
        for text in inside {
            let line = logs.line(text);
            assert!(line.contains("connection{id="), "{line}");
            assert!(line.contains("event{otel.name=Traced/say"), "{line}");
            assert!(line.contains(r#"rpc.method="say""#), "{line}");
        }
        let line = logs.line("in another handler");
        assert!(line.contains("otel.name=Traced/unknown") && !line.contains("secret"), "{line}");
    }
}
