//! The exchange of compressed messages (RFC 7692 section 7.2): 1 KiB of JSON each.
//!
//! A server may compress as it likes, so its reply to each message is read once, decompressed and
//! compared with the message. From then on these bytes must come back. All frames of a ring are
//! equally long, so messages are tried until enough of them have requests and replies of the same
//! sizes.

use std::{collections::HashMap, io::Write as _};

use anyhow::{Context as _, bail, ensure};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::{
    connect::{self, Offer},
    frames::{self, COMPRESSED, Exchange, Ring, TEXT},
};
use crate::process::Endpoint;

/// The size of a message in bytes, the default threshold of ws-core.
pub(crate) const JSON_BYTES: usize = 1 << 10;

/// The messages that are tried.
const MOST_MESSAGES: usize = 4096;

/// The end of a flushed stream, which is removed from each message.
const END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Learns an exchange from the server. Without compression the same messages are exchanged as they
/// are.
pub(super) fn exchange(server: &Endpoint, offer: Offer, in_flight: usize) -> anyhow::Result<Exchange> {
    let enough = in_flight.max(2);
    let mut of_sizes: HashMap<(usize, usize), Frames> = HashMap::new();
    for number in 0..MOST_MESSAGES {
        let (request, reply) = ask(server, offer, json(number).as_bytes())?;
        let found = of_sizes.entry((request.len(), reply.len())).or_default();
        found.requests.push(request);
        found.replies.push(reply);
        if found.requests.len() == enough {
            let Frames { requests, replies } = std::mem::take(found);
            return Ok(Exchange { requests: Ring::new(requests)?, replies: Ring::new(replies)?, offer });
        }
    }
    bail!("no {enough} of {MOST_MESSAGES} messages have the same compressed sizes")
}

/// Requests of one size, and their replies, which are of one size, too.
#[derive(Default)]
struct Frames {
    requests: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
}

/// Exchanges one message on a connection of its own, so that no message refers to another one. The
/// frames of the request and the reply.
fn ask(server: &Endpoint, offer: Offer, text: &[u8]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let (mut stream, is_compressed) = connect::open_with(server, offer)?;
    let request = if is_compressed {
        frames::from_client(TEXT | COMPRESSED, &deflated(text)?)
    } else {
        frames::from_client(TEXT, text)
    };
    stream.write_all(&request)?;
    let (reply, payload) = frames::read_from_server(&mut stream).context("no reply")?;
    ensure!(is_compressed == (reply[0] & COMPRESSED != 0), "the server does not compress what it could");
    let answer = if is_compressed { inflated(&payload, text.len())? } else { payload };
    ensure!(answer == text, "the reply differs from the message");
    Ok((request, reply))
}

fn deflated(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(2 * text.len());
    Compress::new(Compression::fast(), false).compress_vec(text, &mut bytes, FlushCompress::Sync)?;
    let payload = bytes.strip_suffix(&END).context("the stream is not flushed")?;
    Ok(payload.to_vec())
}

fn inflated(payload: &[u8], most: usize) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(most + 1);
    let stream = [payload, &END].concat();
    Decompress::new(false).decompress_vec(&stream, &mut text, FlushDecompress::Sync)?;
    Ok(text)
}

/// A state as games and dashboards send it, of exactly `JSON_BYTES`.
fn json(number: usize) -> String {
    let mut text = format!(r#"{{"event":"state","ref":{},"data":["#, 10_000 + number);
    for row in 0.. {
        let [x, y, score] = [7919, 104_729, 1_299_709].map(|prime| (number * 31 + row + 1) * prime % 1000);
        let item = format!(r#"{{"player":"player-{row:02}","x":{x}.5,"y":{y}.25,"score":{score}}},"#);
        // The end of the text has at least 12 bytes.
        if text.len() + item.len() + 12 > JSON_BYTES {
            break;
        }
        text += &item;
    }
    let rest = JSON_BYTES - text.len() - r#"{"pad":""}]}"#.len();
    text + &format!(r#"{{"pad":"{}"}}]}}"#, "-".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_json_of_one_size_and_differ() {
        let texts: Vec<String> = (0..MOST_MESSAGES).map(json).collect();
        for text in &texts {
            assert_eq!(text.len(), JSON_BYTES);
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        let distinct: std::collections::HashSet<&String> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len());
    }

    #[test]
    fn what_is_compressed_is_smaller_and_comes_back() {
        let text = json(7);
        let payload = deflated(text.as_bytes()).expect("compressed");
        assert!(payload.len() < JSON_BYTES / 2, "{}", payload.len());
        assert_eq!(inflated(&payload, text.len()).expect("decompressed"), text.as_bytes());
    }
}
