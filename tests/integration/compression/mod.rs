//! Compression of messages (permessage-deflate, RFC 7692), on the wire. The other side writes its
//! frames here and compresses with flate2, with one state for the whole connection and a window of
//! exactly the agreed size.

mod accepted;
mod broadcast;
mod client;
mod faults;
mod limits;
mod negotiation;
mod sending;
mod settings;
mod telemetry;
mod typed;

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress};
use ws_core::{
    App, Config,
    config::{Compression, CompressionMode},
};

use crate::support::{Echo, Raw, Server, config, handshake_with, start_with};

/// The offer of a browser.
const OFFER: &str = "permessage-deflate; client_max_window_bits";
/// The first bytes of complete compressed messages.
const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;
/// The end of a flushed stream, which a message does not have.
const END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Settings that compress messages of any size.
fn everything(mode: CompressionMode) -> Compression {
    let mut compression = Compression::default();
    (compression.mode, compression.threshold) = (mode, Some(1));
    compression
}

fn per_message() -> Compression {
    everything(CompressionMode::PerMessage)
}

fn window() -> Compression {
    everything(CompressionMode::Window)
}

fn config_with(compression: Compression) -> Config {
    let mut config = config();
    config.servers[0].compression = compression;
    config
}

async fn serve(app: App, compression: Compression) -> Server {
    start_with(app, config_with(compression)).await
}

async fn echo(compression: Compression) -> Server {
    serve(App::without_registry().controller("/", Echo), compression).await
}

/// Text as an application sends it, different for each number.
fn text(number: usize, length: usize) -> String {
    let words = (number..).map(|it| {
        format!("{{\"event\":\"moved\",\"data\":{{\"x\":{},\"y\":{}}}}}", it * 7919 % 1000, it * 31 % 500)
    });
    words.flat_map(String::into_bytes).take(length).map(char::from).collect()
}

/// Bytes that do not become smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    next.take(length).collect()
}

/// A client of raw frames that has negotiated compression.
struct Peer {
    raw: Raw,
    compressor: Compress,
    takes_over: bool,
    inflater: Inflater,
}

/// A received frame.
#[derive(Debug)]
struct Received {
    /// FIN and the opcode, without RSV1.
    first: u8,
    is_compressed: bool,
    /// The payload as it was received.
    wire: Vec<u8>,
    /// The payload, decompressed.
    bytes: Vec<u8>,
}

/// The decompression of one direction, with no more than the agreed window.
struct Inflater {
    state: Decompress,
    takes_over: bool,
}

impl Inflater {
    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takes_over {
            self.state.reset(false);
        }
        let input = [payload, &END].concat();
        let (mut at, mut all) = (0, Vec::new());
        loop {
            // Little room, so that nothing outside the window helps.
            let mut out = [0; 300];
            let (read, written) = (self.state.total_in(), self.state.total_out());
            self.state.decompress(&input[at..], &mut out, FlushDecompress::Sync).unwrap();
            let written = (self.state.total_out() - written) as usize;
            at += (self.state.total_in() - read) as usize;
            all.extend_from_slice(&out[..written]);
            if at == input.len() && written < out.len() {
                return all;
            }
        }
    }
}

/// Sends the handshake with this offer. Returns the header of the answer.
async fn offer(server: &Server, path: &str, offer: &str) -> (Raw, Option<String>) {
    let lines = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let mut raw = Raw::connect(server.addr).await;
    let answer = raw.request(&handshake_with(path, &lines)).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    let chosen = answer.header("sec-websocket-extensions").map(str::to_owned);
    (raw, chosen)
}

impl Peer {
    async fn connect(server: &Server) -> Self {
        Self::connect_to(server, "/", OFFER).await
    }

    async fn connect_to(server: &Server, path: &str, offered: &str) -> Self {
        let (raw, chosen) = offer(server, path, offered).await;
        Self::new(raw, &chosen.expect("compression is negotiated"))
    }

    fn new(raw: Raw, chosen: &str) -> Self {
        let bits = |name: &str| {
            let value = chosen.split(&format!("{name}=")).nth(1)?;
            value.split(';').next()?.trim().parse().ok()
        };
        let takes_over = |side: &str| !chosen.contains(&format!("{side}_no_context_takeover"));
        let compressor = Compress::new_with_window_bits(
            Level::new(6),
            false,
            bits("client_max_window_bits").unwrap_or(15),
        );
        let inflater = Inflater {
            state: Decompress::new_with_window_bits(false, bits("server_max_window_bits").unwrap_or(15)),
            takes_over: takes_over("server"),
        };
        Self { raw, compressor, takes_over: takes_over("client"), inflater }
    }

    /// The payload of a compressed message.
    fn deflate(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.takes_over {
            self.compressor.reset();
        }
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 1024);
        self.compressor.compress_vec(bytes, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.len() - END.len());
        out
    }

    /// Sends a message compressed, as one frame.
    async fn send(&mut self, first: u8, bytes: impl AsRef<[u8]>) {
        let payload = self.deflate(bytes.as_ref());
        self.raw.frame(first, &payload).await;
    }

    async fn receive(&mut self) -> Received {
        let frame = self.raw.read_frame().await;
        let is_compressed = frame.first & 0x40 != 0;
        let bytes = match is_compressed {
            true => self.inflater.inflate(&frame.payload),
            false => frame.payload.clone(),
        };
        Received { first: frame.first & !0x40, is_compressed, wire: frame.payload, bytes }
    }

    /// The next message, which must be compressed.
    async fn next(&mut self) -> Vec<u8> {
        let received = self.receive().await;
        assert!(received.is_compressed, "{received:?}");
        received.bytes
    }
}
