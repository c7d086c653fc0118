//! ws-core with its public API only, as a user would write it. All settings are defaults.

mod by_hand;
pub(super) mod growth;
pub(super) mod in_memory;
pub(super) mod node;
mod room;
mod typed;
mod workers;

use anyhow::Context as _;
use ws_core::{
    App, Config, Connection, Controller, Handshake, Message, Next, Response, Result,
    config::{Compression, ServerConfig, ServerKind},
};

use super::{PATH, Task, announce, on_one_thread};

/// Memory for the windows of all connections of a measurement; with too little, a connection would
/// have none.
const WINDOW_MEMORY: usize = 1 << 30;

/// The name of the one server.
const SERVER: &str = "ws";

pub(super) fn run(task: Task) -> anyhow::Result<()> {
    let app = App::without_registry();
    match task {
        Task::Echo => on_one_thread(serve(app.controller(PATH, Echo))),
        Task::EchoBehindMiddleware => {
            on_one_thread(serve(app.controller(PATH, Echo).middleware(SERVER, 0, stamp)))
        }
        Task::EventByHand => on_one_thread(serve(app.controller(PATH, by_hand::Chat))),
        Task::Room => on_one_thread(serve(app.controller(PATH, room::Room))),
        Task::CompressedEcho => {
            on_one_thread(serve_with(app.controller(PATH, Echo), compressed(Compression::per_message())))
        }
        Task::CompressedRoom => on_one_thread(serve_with(
            app.controller(PATH, room::Room),
            compressed(Compression::per_message()),
        )),
        Task::WindowedEcho => {
            on_one_thread(serve_with(app.controller(PATH, Echo), compressed(Compression::window())))
        }
        Task::TypedEvent => on_one_thread(serve(app.controller(PATH, typed::Chat))),
        Task::TypedRoom => on_one_thread(serve(app.controller(typed::ROOM_PATH, typed::Room))),
        Task::SharedRuntime => workers::shared_runtime(app.controller(PATH, Echo)),
        Task::RuntimePerCore => workers::runtime_per_core(app.controller(PATH, Echo)),
        Task::DefaultRuntime => workers::default_runtime(serve(app.controller(PATH, Echo))),
    }
}

/// The defaults, on a port that the system chooses.
fn config() -> Config {
    let mut config = Config::default();
    config.servers = vec![ServerConfig::new(SERVER, ServerKind::WebSocket, 0)];
    config
}

/// The defaults with this compression. Its level is 1 and the threshold of `per_message` is 1 KiB.
fn compressed(compression: Compression) -> Config {
    let mut config = config();
    for server in &mut config.servers {
        server.compression = compression.clone();
    }
    config.compression.memory = WINDOW_MEMORY;
    config
}

async fn serve(app: App) -> anyhow::Result<()> {
    serve_with(app, config()).await
}

async fn serve_with(app: App, config: Config) -> anyhow::Result<()> {
    // Installs the recorder.
    #[cfg(feature = "prometheus")]
    let _ = app.prometheus();
    let running = app.config(config).start().await?;
    announce(running.local_addr(SERVER).context("it is not bound")?)?;
    std::future::pending().await
}

struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

async fn stamp(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let mut response = next.run(handshake).await?;
    response.headers_mut().insert("x-served-by", hyper::header::HeaderValue::from_static("bench"));
    Ok(response)
}
