//! Typed handlers, from the view of clients. This is a binary of its own, because its interceptors
//! and guards come from the registry.

mod absent_data;
mod anyhow;
mod asks;
mod deferred;
mod error_types;
mod event_types;
mod events;
mod forms;
mod guards;
mod interceptors;
mod msgpack;
mod params;
mod pings;
mod rate;
mod replies;
mod sockets;
mod unit;
mod valid;

use serde_json::Value;
use ws_core::{
    App, Config, Controller, Route,
    config::{ServerConfig, ServerKind},
    testing::{TestApp, TestClient},
};

/// Starts only this controller, at `/`.
async fn serve(controller: impl Controller) -> TestApp {
    serve_at("/", controller).await
}

async fn serve_at(path: &str, controller: impl Controller) -> TestApp {
    TestApp::start(App::without_registry().route(Route::new(path, controller))).await
}

/// Starts the registrations of this binary.
async fn serve_registered() -> TestApp {
    let mut config = Config::default();
    for name in ["deferred", "error_types", "guarded", "intercepted", "limited"] {
        config.servers.push(ServerConfig::new(name, ServerKind::WebSocket, 0));
    }
    TestApp::start(App::new().config(config).state(interceptors::BadWord("damn"))).await
}

/// Sends a text and returns the JSON of the answer.
async fn ask(client: &mut TestClient, text: impl Into<String>) -> Value {
    client.send_text(text).await;
    client.next_json().await.unwrap()
}
