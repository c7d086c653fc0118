//! Opens a connection: TCP, the request of RFC 6455 section 4.1, and the check of its response.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use super::frames::{self, PING, PONG};
use crate::process::Endpoint;

/// The longest time of an answer while connections are being opened.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest head of a response, in bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 1024;

/// The example of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The extension that a client offers in its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Nothing,
    /// permessage-deflate; each message is compressed by itself (RFC 7692 section 7.1.1).
    PerMessage,
    /// permessage-deflate; messages may refer to those before them.
    Window,
}

impl Offer {
    /// The header of the request.
    fn header(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::PerMessage => {
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                 client_no_context_takeover\r\n"
            }
            Self::Window => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        }
    }
}

/// Opens a connection, with a handshake if the server speaks WebSocket. Reads and writes block, for
/// 10 s at most.
pub(crate) fn open(server: &Endpoint) -> anyhow::Result<TcpStream> {
    Ok(open_with(server, Offer::Nothing)?.0)
}

/// Opens a connection with an offer; true if the server has accepted it.
pub(crate) fn open_with(server: &Endpoint, offer: Offer) -> anyhow::Result<(TcpStream, bool)> {
    let mut stream = TcpStream::connect(server.address).context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(path) = &server.path else { return Ok((stream, false)) };
    stream.write_all(&request_with(server.address, path, offer))?;
    let mut head = [0; MAX_HEAD_BYTES];
    // A server may send its first message at once, so no byte after the head is read.
    let len = loop {
        let count = stream.peek(&mut head).context("no response to the handshake")?;
        ensure!(count > 0, "the server closed during the handshake");
        match head_len(&head[..count])? {
            Some(len) => break len,
            None => ensure!(count < head.len(), "the response to the handshake is too long"),
        }
    };
    stream.read_exact(&mut head[..len])?;
    let is_accepted = String::from_utf8_lossy(&head[..len]).contains("permessage-deflate");
    Ok((stream, is_accepted))
}

/// Waits for the answer to a ping. The server's work at the open of a connection is done then.
pub(crate) fn ping(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.write_all(&frames::from_client(PING, b"?"))?;
    let (frame, _) = frames::read_from_server(stream).context("no answer to a ping")?;
    ensure!(frame == frames::from_server(PONG, b"?"), "a ping was answered by {frame:?}");
    Ok(())
}

/// The request of the handshake.
pub(crate) fn request(host: SocketAddr, path: &str) -> Vec<u8> {
    request_with(host, path, Offer::Nothing)
}

fn request_with(host: SocketAddr, path: &str, offer: Offer) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{}\r\n",
        offer.header()
    )
    .into_bytes()
}

/// Returns the length of the response's head; `None` while it is incomplete. A response other than
/// the expected 101 is an error.
pub(crate) fn head_len(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        ensure!(bytes.len() <= MAX_HEAD_BYTES, "the response to the handshake is too long");
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
        bail!("the handshake was answered by {head:?}");
    }
    Ok(Some(end + 4))
}
