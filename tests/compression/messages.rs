//! The messages that [`talk`](super::talk) sends.

use ws_core::Message;

const SENTENCES: [&str; 4] = [
    "天地玄黃宇宙洪荒日月盈昃辰宿列張，",
    "いろはにほへとちりぬるを。",
    "The quick brown fox jumps over the lazy dog. ",
    "{\"event\":\"moved\",\"data\":{\"x\":17,\"y\":4}}",
];

/// Returns the messages, in order.
pub(crate) fn all() -> impl Iterator<Item = Message> {
    const LARGE: [usize; 12] = [0, 1, 2, 125, 126, 1000, 4096, 65_535, 65_536, 300_000, 1 << 20, 2 << 20];
    let large = LARGE.into_iter().flat_map(|length| {
        [
            Message::text(text(length)),
            Message::binary(text(length).into_bytes()),
            Message::binary(noise(length)),
        ]
    });
    // Similar messages in a row, on both sides of the thresholds, and some that do not become
    // smaller.
    let row = (0..200).map(|number| match number % 5 {
        0 => {
            Message::text(format!("{{\"event\":\"moved\",\"data\":{{\"x\":{number},\"y\":{}}}}}", number * 7))
        }
        1 => Message::binary(noise(number * 3)),
        2 => Message::text(text(number * 11)),
        3 => Message::binary(text(number * 37).into_bytes()),
        _ => Message::text("短い"),
    });
    large.chain(row)
}

/// Text of at most this many bytes, which becomes smaller.
fn text(length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut number = length;
    while text.len() < length {
        number = number.wrapping_mul(31).wrapping_add(7) % 1009;
        text.push_str(SENTENCES[number % SENTENCES.len()]);
        text.push_str(&number.to_string());
    }
    while text.len() > length {
        text.pop();
    }
    text
}

/// Bytes that do not become smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64 ^ length as u64;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    next.take(length).collect()
}
