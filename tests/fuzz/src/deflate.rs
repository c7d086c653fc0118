//! `deflate`: a connection with compression reads what a peer writes that compresses with flate2,
//! and writes what such a peer reads; any bytes are the same messages and the same fault however
//! they are cut; and the answer to any offer is one that RFC 7692 allows. `ws_core::fuzzing` has
//! the comparisons.

use arbitrary::{Arbitrary, Unstructured};
use ws_core::{
    Message,
    config::CompressionMode,
    fuzzing::{Content, Direction, Sent, Side, check_answer, check_read, check_stream, check_written},
};

/// The most that one message has, in bytes.
const MOST_BYTES: usize = 300_000;

/// A byte for the comparison, one for the side and the agreed window, one for the level, one for
/// the limit, a seed for the places of the cuts; then the stream, the messages or the offer.
pub fn check(bytes: &[u8]) {
    let Some(([comparison, window, level, limit], bytes)) = bytes.split_first_chunk() else { return };
    let Some((seed, bytes)) = bytes.split_first_chunk() else { return };
    let seed = u64::from_le_bytes(*seed);
    let direction = Direction {
        reader: if window & 1 == 0 { Side::Server } else { Side::Client },
        bits: 8 + (window >> 1) % 8,
        takes_over: window & 0x10 == 0,
        level: 1 + level % 9,
    };
    let limit = 128 << (limit % 14);
    match comparison % 4 {
        0 => check_stream(direction, bytes, limit, seed),
        1 => check_read(direction, &messages(bytes), limit, seed),
        2 => check_written(
            direction,
            &messages(bytes).iter().map(message).collect::<Vec<_>>(),
            1 + limit / 256,
        ),
        _ => {
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            for window in [512, 4 << 10, 32 << 10] {
                check_answer(&lines, CompressionMode::Window, window);
            }
            check_answer(&lines, CompressionMode::PerMessage, 4 << 10);
        }
    }
}

#[derive(Debug, Arbitrary)]
struct Planned {
    is_text: bool,
    is_interrupted: bool,
    content: Form,
    /// So often, for sizes that nobody writes down.
    times: u16,
    frames: Vec<u16>,
}

#[derive(Debug, Arbitrary)]
enum Form {
    Plain(Vec<u8>),
    Compressed(Vec<u8>),
    CompressedText(String),
    Deflate(Vec<u8>),
}

fn messages(bytes: &[u8]) -> Vec<Sent> {
    let planned = Vec::<Planned>::arbitrary_take_rest(Unstructured::new(bytes)).unwrap_or_default();
    planned.into_iter().map(Planned::sent).collect()
}

impl Planned {
    fn sent(self) -> Sent {
        let repeated = |bytes: &[u8]| {
            let times = usize::from(self.times).max(1);
            bytes.repeat(times.min(MOST_BYTES / bytes.len().max(1)))
        };
        let content = match &self.content {
            Form::Plain(bytes) => Content::Plain(repeated(bytes)),
            Form::Compressed(bytes) => Content::Compressed(repeated(bytes)),
            Form::CompressedText(text) => Content::Compressed(repeated(text.as_bytes())),
            Form::Deflate(bytes) => Content::Deflate(bytes.clone()),
        };
        let frames = self.frames.iter().map(|size| usize::from(*size)).collect();
        Sent { is_text: self.is_text, content, frames, is_interrupted: self.is_interrupted }
    }
}

fn message(sent: &Sent) -> Message {
    let (Content::Plain(bytes) | Content::Compressed(bytes) | Content::Deflate(bytes)) = &sent.content;
    match std::str::from_utf8(bytes) {
        Ok(text) if sent.is_text => Message::text(text),
        _ => Message::binary(bytes.clone()),
    }
}
