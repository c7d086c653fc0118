use flate2::{Compress, Compression as Level, FlushCompress};
use proptest::prelude::*;

use super::*;

/// Bytes that resemble what an application sends, what does not become smaller, and long runs.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec!["{\"event\":", "\"moved\"", "position", "καλημέρα", ",", "0", "}"]);
    let text = || prop::collection::vec(word.clone(), 0..60).prop_map(|words| words.concat().into_bytes());
    prop_oneof![
        6 => text(),
        2 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (text(), 1_usize..200).prop_map(|(text, times)| text.repeat(times)),
        1 => (any::<u8>(), 0_usize..400_000).prop_map(|(byte, times)| vec![byte; times]),
        1 => (prop::collection::vec(any::<u8>(), 1..40_000), text()).prop_map(|(noise, text)| [noise, text].concat()),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    // The beginning of a block, so that more than its type is read.
    let deflate = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..200));
    prop_oneof![
        8 => bytes().prop_map(Content::Compressed),
        2 => bytes().prop_map(Content::Plain),
        1 => deflate.prop_map(|(first, rest)| Content::Deflate([&[first & !6][..], &rest].concat())),
        1 => prop::collection::vec(any::<u8>(), 0..50).prop_map(Content::Deflate),
        // A message that ends too early.
        1 => (bytes(), any::<prop::sample::Index>()).prop_map(|(bytes, end)| {
            let mut compressed = Vec::with_capacity(bytes.len() + 1000);
            let mut compressor = Compress::new(Level::new(6), false);
            compressor.compress_vec(&bytes, &mut compressed, FlushCompress::Sync).unwrap();
            compressed.truncate(end.index(compressed.len() + 1));
            Content::Deflate(compressed)
        }),
        // "Hello" as a last block, again and again (RFC 7692 section 7.2.3.4).
        1 => (0_usize..12).prop_map(|times| {
            Content::Deflate([[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00].repeat(times), vec![0]].concat())
        }),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    (prop::bool::weighted(0.2), content(), prop::collection::vec(0_usize..3000, 0..4), any::<bool>())
        .prop_map(|(is_text, content, frames, is_interrupted)| Sent {
            is_text,
            content,
            frames,
            is_interrupted,
        })
}

fn direction() -> impl Strategy<Value = Direction> {
    let reader = prop::sample::select(vec![
        Side::Server,
        #[cfg(feature = "client")]
        Side::Client,
    ]);
    (reader, 8_u8..=15, prop::bool::weighted(0.7), 1_u8..=9)
        .prop_map(|(reader, bits, takes_over, level)| Direction { reader, bits, takes_over, level })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn messages_are_read_as_flate2_reads_them(
        direction in direction(),
        messages in prop::collection::vec(sent(), 0..8),
        limit in prop::sample::select(vec![125, 1000, 4 << 10, 100 << 10, 1 << 20]),
        seed in any::<u64>(),
    ) {
        check_read(direction, &messages, limit, seed);
    }

    #[test]
    fn a_peer_with_the_agreed_window_reads_what_is_written(
        direction in direction(),
        messages in prop::collection::vec((any::<bool>(), bytes()), 0..12),
        threshold in prop::sample::select(vec![1, 64, 1 << 10]),
    ) {
        let messages: Vec<Message> = messages
            .into_iter()
            .map(|(is_text, bytes)| match String::from_utf8(bytes) {
                Ok(text) if is_text => Message::text(text),
                Ok(text) => Message::binary(text.into_bytes()),
                Err(error) => Message::binary(error.into_bytes()),
            })
            .collect();
        check_written(direction, &messages, threshold);
    }
}
