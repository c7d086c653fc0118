//! The memory of compression: a connection keeps its windows and nothing else, and the states of the
//! compressor do not multiply with the connections.

use ws_core::{App, Connection, Controller, Message, Result, Route, config::Compression};

use super::{
    ALLOCATOR, KIB, MESSAGE, others_are_served,
    support::{self, Echo, Raw, Server, frame, start_with},
};

/// The connections of each check. Both sides of each are sockets of this process.
const PEERS: usize = 400;
/// The bytes of two windows of 4 KiB.
const WINDOWS: usize = 8 * KIB;
/// A compressor has up to 380 KB. The thread keeps 4 of them, and 32 wait for their next poll.
const COMPRESSORS: usize = 40 * 400 * KIB;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// Sends a text to all connections. A message says how long it is.
struct Spread;

impl Controller for Spread {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.join("all")?;
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let length = message.as_text().unwrap().parse().unwrap();
        conn.room("all").push(report(length));
        Ok(())
    }
}

/// Text that compresses to about half of its length.
fn report(length: usize) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let parts = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("temperature={:x};", state & 0xff_ffff)
    });
    let mut text: String = parts.take(length / 14).collect();
    text.truncate(length);
    text
}

async fn start(memory: usize) -> Server {
    let mut config = support::config();
    config.compression.memory = memory;
    let window = Route::new("/window", Echo).compression(|it| *it = Compression::window());
    let per_message = Route::new("/per_message", Echo).compression(|it| *it = Compression::per_message());
    let spread = Route::new("/spread", Spread).compression(|it| *it = Compression::window());
    let app = App::without_registry()
        .controller("/", Echo)
        .route(Route::new("/off", Echo))
        .route(per_message)
        .route(window)
        .route(spread);
    start_with(app, config).await
}

pub(super) async fn check_all() {
    let server = start(64 << 20).await;
    others_are_served(&server, 1).await;
    an_idle_connection_keeps_its_windows_and_nothing_else(&server).await;
    large_messages_to_many_share_a_few_compressors(&server).await;
    the_limit_of_windows_holds().await;
}

/// Opens a connection, and returns the server's answer to the offer.
async fn open(server: &Server, path: &str) -> (Raw, String) {
    let mut raw = Raw::connect(server.addr).await;
    let answer = raw.request(&support::handshake_with(path, OFFER)).await;
    assert_eq!(answer.status, 101);
    (raw, answer.header("sec-websocket-extensions").unwrap_or_default().to_owned())
}

/// Sends a message of 5000 bytes, as one stored block if it is compressed, and gets its echo.
async fn exchange(raw: &mut Raw, is_compressed: bool) {
    let text = report(5000).into_bytes();
    let text = &text[..4500];
    let length = text.len() as u16;
    let block = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), text, &[0]].concat();
    let (first, payload) = if is_compressed { (0xc2, &block[..]) } else { (0x82, text) };
    raw.frame(first, payload).await;
    let echo = raw.read_frame().await;
    assert_eq!((echo.first, echo.payload.len() < 4000), (first, is_compressed));
}

/// Returns the bytes that connections to a path hold while they are idle, after each has received
/// and sent a message; and how many of them have windows.
async fn held_by(server: &Server, path: &str, peers: usize) -> (usize, usize) {
    others_are_served(server, 3).await;
    let before = ALLOCATOR.now();
    let mut raws = Vec::with_capacity(peers);
    let mut windows = 0;
    for _ in 0..peers {
        let (mut raw, answer) = open(server, path).await;
        windows += usize::from(answer.contains("client_max_window_bits="));
        exchange(&mut raw, path != "/off").await;
        raws.push(raw);
    }
    others_are_served(server, 3).await;
    (ALLOCATOR.now() - before, windows)
}

async fn an_idle_connection_keeps_its_windows_and_nothing_else(server: &Server) {
    for path in ["/off", "/per_message", "/window"] {
        // Everything that is made once, such as the states of the thread.
        held_by(server, path, PEERS).await;
    }
    let (off, _) = held_by(server, "/off", PEERS).await;
    let (per_message, _) = held_by(server, "/per_message", PEERS).await;
    let (window, with_windows) = held_by(server, "/window", PEERS).await;
    assert_eq!(with_windows, PEERS);
    assert!(per_message < off + PEERS * 256, "{per_message} bytes, {off} without compression");
    let windows = window.saturating_sub(per_message);
    assert!(windows > PEERS * WINDOWS, "{windows} bytes of windows");
    assert!(windows < PEERS * (WINDOWS + 256), "{windows} bytes of windows");
}

async fn large_messages_to_many_share_a_few_compressors(server: &Server) {
    const MEMBERS: usize = 200;
    let mut raws = Vec::with_capacity(MEMBERS);
    for _ in 0..MEMBERS {
        raws.push(open(server, "/spread").await.0);
    }
    others_are_served(server, 3).await;
    let most = ALLOCATOR
        .most_during(async {
            raws[0].write(&frame(0x81, b"300000")).await;
            for raw in &mut raws {
                let length = raw.read_frame().await.payload.len();
                assert!(length < 200_000, "{length}");
            }
        })
        .await;
    assert!(most < COMPRESSORS + 8 * MESSAGE, "{most} bytes for {MEMBERS} members");
}

async fn the_limit_of_windows_holds() {
    const WITH_WINDOWS: usize = 100;
    let server = start(WITH_WINDOWS * WINDOWS).await;
    let (per_message, _) = held_by(&server, "/per_message", PEERS).await;
    let (window, with_windows) = held_by(&server, "/window", PEERS).await;
    assert_eq!(with_windows, WITH_WINDOWS);
    let windows = window.saturating_sub(per_message);
    assert!(windows < WITH_WINDOWS * (WINDOWS + 256), "{windows} bytes of windows");
    // The connections above are closed, so their memory is available again.
    let (_, with_windows) = held_by(&server, "/window", PEERS).await;
    assert_eq!(with_windows, WITH_WINDOWS);
}
