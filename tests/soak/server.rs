//! The server under load, in a process of its own. It executes the requests of its clients, and
//! reports what it holds.

use std::{io::Write as _, path::Path as File, time::Duration};

use axum::{Router, routing::get};
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use ws_core::{Route, prelude::*};

use crate::heap;

/// The limits of open sockets, of all addresses and of one.
pub(crate) const CONNECTIONS: usize = 256;
/// The largest message, in bytes.
pub(crate) const MESSAGE: usize = 64 << 10;
/// The longest time from the first byte to the 101, and from a close frame to the end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);

/// Executes the requests of its client.
struct Obedient;

#[ws_handlers]
impl Obedient {
    #[on_open]
    async fn open(&self, conn: &Connection, Path(room): &Path<String>) -> Result {
        conn.join(room)?;
        conn.identify(room)?;
        conn.context().set(vec![0_u8; 1000]);
        assert!(conn.handshake().query() != Some("panic-in-open"), "on purpose");
        Ok(())
    }

    #[on_event("echo")]
    async fn echo(&self, Data(text): Data<String>) -> Data<String> {
        Data(text)
    }

    #[on_event("move")]
    async fn change_room(
        &self,
        conn: &Connection,
        Data(rooms): Data<(String, String)>,
    ) -> Result<Data<usize>> {
        conn.leave(rooms.0);
        conn.join(rooms.1)?;
        Ok(Data(conn.rooms().len()))
    }

    #[on_event("say")]
    async fn say(&self, conn: &Connection, Data((room, text)): Data<(String, String)>) -> Result {
        conn.room(room).event("said", &text);
        Ok(())
    }

    /// Pushes without a pause until the outbox is full.
    #[on_event("flood")]
    async fn flood(&self, conn: &Connection) {
        while conn.push(vec![0; 8 << 10]).is_ok() {}
    }

    /// Sends more than any buffer holds, as fast as the client reads.
    #[on_event("pour")]
    async fn pour(&self, conn: &Connection) -> Result {
        for _ in 0..200 {
            conn.send(vec![0; 64 << 10]).await?;
        }
        Ok(())
    }

    #[on_event("watch")]
    async fn watch(
        &self,
        conn: &Connection,
        Data(room): Data<String>,
    ) -> Stream<impl futures_util::Stream<Item = Data<u32>> + use<>> {
        Stream::new(conn.room(room).members().map(|_| Data(1)))
    }

    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Data<bool> {
        Data(conn.ask_event::<u32>("asked", &()).timeout(DEADLINE).await.is_ok())
    }

    #[on_event("hang")]
    async fn hang(&self) {
        std::future::pending().await
    }

    #[on_event("fail")]
    async fn fail(&self) -> Result {
        Err(Error::new("secret").close_code(4001).public("failed"))
    }

    #[on_event("panic")]
    async fn panic(&self) {
        panic!("on purpose");
    }

    #[on_event("leave")]
    async fn leave(&self, conn: &Connection) -> Result {
        Ok(conn.disconnect(4000, "closed on request")?)
    }

    #[on_binary]
    async fn binary(&self, bytes: Bytes) -> Message {
        Message::binary(bytes)
    }

    #[on_close]
    async fn close(&self, conn: &Connection) {
        assert!(conn.handshake().query() != Some("panic-in-close"), "on purpose");
    }
}

/// Refuses, panics or waits in the handshake, as the query requests.
async fn moody(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    match handshake.query() {
        Some("refused") => Err(Error::new("no").status(403)),
        Some("panic-in-middleware") => panic!("on purpose"),
        Some("waits") => std::future::pending().await,
        Some("changes-its-mind") => {
            next.run(handshake).await?;
            Err(Error::new("no").status(409))
        }
        _ => next.run(handshake).await,
    }
}

fn config() -> Config {
    let mut config = Config::default();
    let server = &mut config.servers[0];
    server.port = 0;
    server.limits.connections = CONNECTIONS;
    server.limits.connections_per_ip = Some(CONNECTIONS);
    server.limits.pending_handshakes = CONNECTIONS;
    server.limits.message = MESSAGE;
    server.limits.handshake_timeout = DEADLINE;
    server.limits.close_timeout = DEADLINE;
    server.limits.handler_timeout = Some(DEADLINE);
    server.heartbeat.interval = Some(DEADLINE);
    server.heartbeat.timeout = DEADLINE;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other test runs it in a process of its own"]
async fn serves() {
    if std::env::var_os("WS_TESTS_CONFIG").is_none() {
        return;
    }
    // Thousands of panics are intended, so they are not printed.
    std::panic::set_hook(Box::new(|_| {}));
    tracing_subscriber::fmt().with_ansi(false).with_env_filter("ws_core::app=info").init();
    let app = App::without_registry()
        .middleware("ws", 0, moody)
        .route(Route::new("/{room}", Obedient))
        .fallback("ws", Router::new().route("/page", get("a page")));
    let running = app.config(config()).start().await.unwrap();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        let (heap, buffers) = heap::bytes();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let connections = running.hub().count_local();
        let grouped: usize = (0..crate::clients::ROOMS)
            .map(|room| room.to_string())
            .map(|room| {
                running.hub().room::<Obedient>(&room).count_local() + running.hub().user(&room).count_local()
            })
            .sum();
        let fds = std::fs::read_dir(File::new("/proc/self/fd")).unwrap().count();
        let line = format!("held {heap} {buffers} {} {fds} {tasks} {connections} {grouped}\n", resident());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

/// Resident memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
