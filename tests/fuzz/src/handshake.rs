//! `handshake`: any first bytes of a stream are answered in HTTP or closed. A 101 is sent only for
//! a request that follows RFC 6455 section 4.2.1, from an allowed page, for an existing route.
//!
//! The input takes the real path of a stream, over memory: from the PROXY header to the connection,
//! with typed handlers. The first byte chooses the server, the peer of the stream, and the part of
//! a correct request that is added.

mod app;
mod judge;

use std::{
    cell::OnceCell,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::Runtime,
};
use ws_core::{fuzzing, testing::TestApp};

use self::judge::Asked;

/// The longest life of a stream, in paused time.
const LONGEST: Duration = Duration::from_secs(600);

thread_local! {
    static APP: OnceCell<(Runtime, TestApp)> = const { OnceCell::new() };
}

/// Checks the stream after the first byte, which has the choices.
pub fn check(bytes: &[u8]) {
    let Some((choices, bytes)) = bytes.split_first() else { return };
    let server = ["ws", "listed", "any"][usize::from(choices & 3) % 3];
    let mut peer = match choices >> 2 & 3 {
        0 => None,
        1 => Some(SocketAddr::from((Ipv4Addr::new(203, 0, 113, 9), 4711))),
        _ => Some(SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 4711))),
    };
    let mut stream = match choices >> 4 & 3 {
        0 => bytes.to_vec(),
        1 => request(bytes, GOOD),
        2 => request(bytes, ""),
        _ => {
            let Some((source, rest)) = behind_proxy_header(bytes) else { return };
            peer = source.or(peer);
            rest.to_vec()
        }
    };
    if choices & 0x40 != 0 {
        stream.extend(b"\r\n\r\n");
    }
    let answer = answer(server, peer, &stream);
    judge::check(&Asked { server, stream: &stream }, &answer);
}

/// The headers of a correct request.
const GOOD: &str = "Host: here.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A request with the first line as its target and the others as further headers.
fn request(bytes: &[u8], headers: &str) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (target, further) = bytes.split_at(end);
    let further = further.get(1..).unwrap_or_default();
    [b"GET /", target, b" HTTP/1.1\r\n", headers.as_bytes(), further].concat()
}

/// Returns the address in a PROXY header, and the bytes after it. The result must not depend on how
/// the header arrives.
fn behind_proxy_header(bytes: &[u8]) -> Option<(Option<SocketAddr>, &[u8])> {
    let whole = fuzzing::proxy_header(bytes);
    for end in 0..bytes.len().min(300) {
        match (fuzzing::proxy_header(&bytes[..end]), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(part)), Ok(Some(whole))) => {
                assert_eq!(part, *whole, "by {end} bytes");
                assert!(part.1 <= end, "a header is not longer than what was seen");
            }
            (Err(_), Err(_)) => {}
            (part, whole) => panic!("{part:?} by {end} bytes, {whole:?} by all"),
        }
    }
    let (source, length) = whole.ok()??;
    Some((source, &bytes[length..]))
}

/// Returns all bytes until the server closes.
fn answer(server: &str, peer: Option<SocketAddr>, stream: &[u8]) -> Vec<u8> {
    APP.with(|app| {
        let (runtime, app) = app.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime can be built");
            let app = runtime.block_on(app::start());
            (runtime, app)
        });
        runtime.block_on(async {
            let (mut reader, mut writer) = tokio::io::split(fuzzing::connect(app, server, peer));
            let write = async {
                // The server may have answered and closed before everything was written.
                let _ = writer.write_all(stream).await;
                // The paused clock advances once the server waits for more input; the end of the
                // stream arrives no earlier.
                tokio::time::sleep(Duration::from_millis(1)).await;
                let _ = writer.shutdown().await;
            };
            let mut answer = Vec::new();
            let talk = async { tokio::join!(write, reader.read_to_end(&mut answer)) };
            let ((), read) = tokio::time::timeout(LONGEST, talk).await.expect("every stream has an end");
            read.expect("a pipe does not fail");
            answer
        })
    })
}
