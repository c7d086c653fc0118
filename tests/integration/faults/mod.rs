//! Faults of user code: a panic ends its own connection, in order, and does not affect others.
//!
//! Each file is a table of places. The query of the handshake names a place, and each place calls
//! [`panic_at`]. A [`Stage`] has room for two connections: the bystander, which must not be
//! affected, and the failing one.

mod callbacks;
mod cancelled;
mod http;
mod pipeline;
mod runtime;
mod typed;
mod vanished;

use std::sync::Once;

use tokio::sync::mpsc;
use ws_core::{
    CloseReason, Config, Connection, Handshake, Next, Response, Result, Route, State, handlers::CallbackKind,
    ws_error_handler, ws_interceptor,
};

use crate::support::{
    Client, Logs, Raw, Server, handshake, next_text, registry_config, send, start_with, until, within,
};

/// Suppresses the output of intended panics: with a backtrace, each takes longer than its test.
fn expect_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.payload_as_str().is_some_and(|text| text.starts_with("on purpose")) {
                otherwise(panic);
            }
        }));
    });
}

/// Panics if the handshake names this place.
fn panic_at(handshake: &Handshake, place: &str) {
    assert!(handshake.query() != Some(place), "on purpose: {place}");
}

/// A value whose drop panics.
#[derive(Clone)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose: a drop");
    }
}

/// An error whose handler panics.
#[derive(Debug, thiserror::Error)]
#[error("secret detail")]
struct Unanswerable;

#[ws_error_handler(server = "faults")]
async fn unanswerable(_: &Unanswerable, _: &ws_core::Scene) -> ws_core::Recovery {
    panic!("on purpose: an error handler")
}

/// An error whose text panics.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose: a text")
    }
}

impl std::error::Error for Unspeakable {}

/// An error whose drop panics.
#[derive(Debug, thiserror::Error)]
#[error("its drop panics")]
struct Undroppable(#[source] std::io::Error);

impl Drop for Undroppable {
    fn drop(&mut self) {
        panic!("on purpose: the drop of an error");
    }
}

#[ws_interceptor(server = "faults")]
async fn intercepting(
    callback: ws_core::handlers::Callback<'_>,
    next: ws_core::handlers::NextHandler<'_>,
) -> ws_core::Result {
    let handshake = callback.connection().handshake();
    let kind = match callback.kind() {
        CallbackKind::Open => "open",
        CallbackKind::Message => "message",
        CallbackKind::Event(_) => "event",
        CallbackKind::Close => "close",
        _ => "control",
    };
    panic_at(handshake, &format!("before-{kind}"));
    let outcome = next.run(callback).await;
    panic_at(handshake, &format!("after-{kind}"));
    outcome
}

/// Gets a message when an `on_close` ran.
#[derive(Clone)]
struct Closed(mpsc::UnboundedSender<CloseReason>);

impl Closed {
    fn tell(conn: &Connection, reason: CloseReason) {
        let closed: Self = conn.context().get().expect("`telling` is outermost");
        let _ = closed.0.send(reason);
    }
}

async fn telling(handshake: Handshake, next: Next<'_>, State(closed): State<Closed>) -> Result<Response> {
    handshake.context().set(closed);
    next.run(handshake).await
}

/// Called by every `on_open`: takes what must be released at the end.
fn settle_in(conn: &Connection) -> Result {
    conn.identify("guest")?;
    conn.join("lounge")?;
    Ok(())
}

/// The server `faults`, and a bystander on it.
struct Stage {
    server: Server,
    bystander: Client,
    closed: mpsc::UnboundedReceiver<CloseReason>,
}

/// A place, and the expected outcome.
struct Case<'a> {
    /// Path and query.
    target: &'a str,
    /// The first frame of the client: its first byte, and its payload.
    sends: Option<(u8, &'a [u8])>,
    /// The expected close frame.
    gets: (u16, &'a str),
    /// The reason that `on_close` gets; `None` if it panics before it can report it.
    reason: Option<CloseReason>,
    /// The expected line of the log.
    says: &'a str,
}

impl Stage {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut ws_core::config::ServerConfig)) -> Self {
        expect_panics();
        let (closing, closed) = mpsc::unbounded_channel();
        let app = crate::registry::app()
            .state(Closed(closing))
            .middleware("faults", -2, telling)
            .middleware("faults", -1, pipeline::server_wide)
            .upgrade("faults", pipeline::Core)
            .route(
                Route::new("/raw", callbacks::Fragile).server("faults").middleware(pipeline::of_the_route),
            );
        let mut config: Config = registry_config();
        let faults = config.servers.iter_mut().find(|server| server.name == "faults").unwrap();
        faults.limits.connections = 2;
        change(faults);
        let mut server = start_with(app, config).await;
        server.addr = server.running.local_addr("faults").unwrap();
        let mut bystander = server.connect("/raw").await;
        send(&mut bystander, "first").await;
        assert_eq!(next_text(&mut bystander).await, "first");
        Self { server, bystander, closed }
    }

    /// Checks that one connection fails like this case, and that everything is as before.
    async fn plays(&mut self, case: Case<'_>) {
        let Case { target, sends, gets, reason, says } = case;
        let logs = Logs::start();
        let mut raw = self.server.raw(target).await;
        if let Some((first, payload)) = sends {
            raw.frame(first, payload).await;
        }
        let close = loop {
            let frame = raw.read_frame().await;
            if frame.first == 0x88 {
                break frame.close();
            }
        };
        assert_eq!(close, (gets.0, gets.1.to_owned()), "{target}");
        drop(raw);
        if let Some(reason) = reason {
            assert_eq!(within("on_close", self.closed.recv()).await, Some(reason), "{target}");
        }
        self.is_as_before(target).await;
        assert_logged_once(&logs, target, says);
    }

    /// Checks that only the bystander is connected and served, and that there is room for one more
    /// connection, which is served, too.
    async fn is_as_before(&mut self, target: &str) {
        let hub = self.server.running.hub();
        until("the connection is released", || {
            hub.all().count_local() == 1 && hub.user("guest").count_local() == 1
        })
        .await;
        assert_eq!(hub.room::<callbacks::Fragile>("lounge").count_local(), 1, "{target}");
        send(&mut self.bystander, "still here").await;
        assert_eq!(next_text(&mut self.bystander).await, "still here", "{target}");
        let mut next = within("a place", async {
            loop {
                let mut raw = Raw::connect(self.server.addr).await;
                if raw.request(&handshake("/raw")).await.status == 101 {
                    return raw;
                }
            }
        })
        .await;
        next.frame(0x88, &1000_u16.to_be_bytes()).await;
        assert_eq!(next.read_frame().await.close().0, 1000, "{target}");
        drop(next);
        // This is the `on_close` of the next connection: that of the failed one ran once.
        let reason = within("on_close", self.closed.recv()).await.unwrap();
        assert_eq!(reason.code(), 1000, "{target}");
        until("the next one has left", || hub.all().count_local() == 1).await;
    }
}

/// Checks that the panic was logged once, as an error.
fn assert_logged_once(logs: &Logs, target: &str, says: &str) {
    let text = logs.text();
    let told: Vec<&str> = text.lines().filter(|line| line.contains("panicked")).collect();
    let is_told = matches!(told[..], [line] if line.contains(" ERROR ") && line.contains(says));
    assert!(is_told, "{target}: {says:?} once in {told:#?}");
}
