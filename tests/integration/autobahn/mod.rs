//! The cases of the Autobahn test suite (fuzzing client 25.10) with an echo server, one file for
//! each chapter.
//!
//! The name of a test has the numbers of its cases. The cases are data for one [`check`]: frames,
//! the cuts of their bytes, the answers, and the end of the connection. If the suite accepts
//! several outcomes, the strict one is required.
//!
//! To run the suite itself, start `cargo run -p ws-core --example echo` with `limits.message` and
//! `limits.outbox_bytes` of more than 16 MiB. `.ci/compression/run` runs chapters 12 and 13, which
//! are about compression.

mod auto_fragmentation;
mod closing;
mod fragmentation;
mod framing;
mod limits;
mod opcodes;
mod pings;
mod reserved_bits;
mod utf8;

use ws_core::{App, Connection, Controller, Message, Result};

use crate::support::{Raw, RawFrame, Server, config, frame, start_with};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// The first and the next fragments of a message; `CONTINUATION | FIN` is the last.
const FIRST_OF_TEXT: u8 = 0x01;
const FIRST_OF_BINARY: u8 = 0x02;
const CONTINUATION: u8 = 0x00;
const FIN: u8 = 0x80;

/// The payload of the suite where any will do.
const HELLO: &[u8] = b"Hello, world!";
/// A payload that is not UTF-8.
const NO_TEXT: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";

struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.send(message).await?)
    }
}

async fn echo() -> Server {
    let mut config = config();
    config.servers[0].limits.message = 16 << 20;
    start_with(App::without_registry().controller("/", Echo), config).await
}

/// The cuts of the sent bytes.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// All in one write.
    Whole,
    /// Frame by frame.
    Frames,
    /// This number of octets in each write.
    Octets(usize),
}

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The client closes with 1000 after its answers.
    Clean,
    /// The server sends a close frame with this code, to fail the connection or as the answer to a
    /// close frame.
    Closed(u16),
}

const FAILED: End = End::Closed(1002);
const NO_UTF8: End = End::Closed(1007);

/// Runs one connection: sends the frames with these cuts, expects exactly these answers, and this
/// end.
async fn check(
    server: &Server,
    case: &str,
    cut: Cut,
    frames: &[Vec<u8>],
    answers: &[(u8, Vec<u8>)],
    end: End,
) {
    let mut raw = server.raw("/").await;
    send(&mut raw, cut, frames).await;
    for (first, payload) in answers {
        expect(&mut raw, case, *first, payload).await;
    }
    finish(raw, case, end).await;
}

async fn send(raw: &mut Raw, cut: Cut, frames: &[Vec<u8>]) {
    raw.stream.set_nodelay(true).unwrap();
    let bytes = frames.concat();
    let pieces: Vec<&[u8]> = match cut {
        Cut::Whole => vec![&bytes],
        Cut::Frames => frames.iter().map(Vec::as_slice).collect(),
        Cut::Octets(octets) => bytes.chunks(octets).collect(),
    };
    for piece in pieces {
        raw.write(piece).await;
        // Lets the server read this piece alone.
        tokio::task::yield_now().await;
    }
}

async fn expect(raw: &mut Raw, case: &str, first: u8, payload: &[u8]) {
    let RawFrame { first: came, payload: with } = raw.read_frame().await;
    assert_eq!((came, with.len()), (first, payload.len()), "{case}: {:?}", &with[..with.len().min(200)]);
    assert!(with == payload, "{case}: the payload differs");
}

async fn finish(mut raw: Raw, case: &str, end: End) {
    let code = match end {
        End::Clean => {
            raw.write(&close(1000)).await;
            1000
        }
        End::Closed(code) => code,
    };
    let last = raw.read_frame().await;
    assert_eq!(last.first, CLOSE, "{case}: {last:?}");
    assert_eq!(last.close().0, code, "{case}");
    assert!(raw.read_to_end().await.is_empty(), "{case}: nothing follows the close frame");
}

fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// One message in fragments of this number of octets.
fn fragments(first: u8, payload: &[u8], octets: usize) -> Vec<Vec<u8>> {
    let last = payload.len().div_ceil(octets).saturating_sub(1);
    let opcode = |at| if at == 0 { first } else { CONTINUATION };
    let fin = |at| if at == last { FIN } else { 0 };
    payload.chunks(octets).enumerate().map(|(at, piece)| frame(opcode(at) | fin(at), piece)).collect()
}
