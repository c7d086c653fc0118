//! Chapter 3: reserved bits without a negotiated extension (RFC 6455 section 5.2).

use super::{BINARY, CLOSE, Cut, FAILED, HELLO, NO_TEXT, PING, TEXT, check, echo, frame};

/// The three bits as a number from 1 to 7, at their place in a frame's first octet.
const fn rsv(bits: u8) -> u8 {
    bits << 4
}

#[tokio::test]
async fn autobahn_3_1_to_3_7_a_reserved_bit_fails_the_connection() {
    let server = echo().await;
    let alone: [(&str, u8, &[u8]); 4] = [
        ("3.1", TEXT | rsv(1), HELLO),
        ("3.5", BINARY | rsv(5), NO_TEXT),
        ("3.6", PING | rsv(6), HELLO),
        ("3.7", CLOSE | rsv(7), b""),
    ];
    for (case, first, payload) in alone {
        check(&server, case, Cut::Whole, &[frame(first, payload)], &[], FAILED).await;
    }
    // The message before it is answered, the ping after it is not.
    let between = [("3.2", 2, Cut::Whole), ("3.3", 3, Cut::Frames), ("3.4", 4, Cut::Octets(1))];
    for (case, bits, cut) in between {
        let frames = [frame(TEXT, HELLO), frame(TEXT | rsv(bits), HELLO), frame(PING, b"")];
        check(&server, case, cut, &frames, &[(TEXT, HELLO.to_vec())], FAILED).await;
    }
}

#[tokio::test]
async fn a_reserved_bit_fails_the_connection_on_fragments_and_pongs_too() {
    let server = echo().await;
    for bits in 1..=7 {
        let begun = frame(0x01, b"a");
        check(&server, "first", Cut::Whole, &[frame(0x01 | rsv(bits), b"a")], &[], FAILED).await;
        let last = frame(0x80 | rsv(bits), b"b");
        check(&server, "last", Cut::Whole, &[begun, last], &[], FAILED).await;
        check(&server, "pong", Cut::Whole, &[frame(0x8a | rsv(bits), b"")], &[], FAILED).await;
    }
}
