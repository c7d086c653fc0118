//! Chapter 9: large messages, many fragments, chopped writes. The suite has 54 cases; this is a
//! selection.

use super::{
    BINARY, Cut, End, FIRST_OF_BINARY, FIRST_OF_TEXT, TEXT, check, echo, expect, finish, fragments, frame,
    send,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn payload(first: u8, size: usize) -> Vec<u8> {
    let pattern: &[u8] = if first & 0x0f == FIRST_OF_TEXT { b"BAsd7&jh23" } else { b"\x00\xfe\x23\xfa\xf0" };
    let mut payload = pattern.repeat(size.div_ceil(pattern.len()));
    payload.truncate(size);
    payload
}

#[tokio::test]
async fn autobahn_9_1_and_9_2_messages_up_to_the_limit_are_echoed() {
    let server = echo().await;
    let cases = [
        ("9.1.1", TEXT, 64 * KIB),
        ("9.1.3", TEXT, MIB),
        ("9.2.2", BINARY, 256 * KIB),
        ("9.2.6", BINARY, 16 * MIB),
    ];
    for (case, first, size) in cases {
        let payload = payload(first, size);
        check(&server, case, Cut::Whole, &[frame(first, &payload)], &[(first, payload)], End::Clean).await;
    }
    // The header alone is over the limit.
    let over = [&[BINARY, 0xff][..], &(16 * MIB as u64 + 1).to_be_bytes(), &[0; 4]].concat();
    check(&server, "over the limit", Cut::Whole, &[over], &[], End::Closed(1009)).await;
}

/// The suite has 4 MiB in each of them.
#[tokio::test]
async fn autobahn_9_3_and_9_4_messages_in_fragments_of_64_octets_to_4_mib_are_echoed() {
    let server = echo().await;
    let cases = [
        ("9.3.1", FIRST_OF_TEXT, 256 * KIB, 64),
        ("9.3.4", FIRST_OF_TEXT, MIB, 4 * KIB),
        ("9.4.2", FIRST_OF_BINARY, 256 * KIB, 256),
        ("9.4.6", FIRST_OF_BINARY, MIB, 64 * KIB),
        ("9.4.9", FIRST_OF_BINARY, 4 * MIB, 4 * MIB),
    ];
    for (case, first, size, octets) in cases {
        let payload = payload(first, size);
        let frames = fragments(first, &payload, octets);
        check(&server, case, Cut::Whole, &frames, &[(first | 0x80, payload)], End::Clean).await;
    }
}

#[tokio::test]
async fn autobahn_9_5_and_9_6_messages_in_chops_of_64_to_2048_octets_are_echoed() {
    let server = echo().await;
    for (case, first, size, octets) in [("9.5.1", TEXT, 64 * KIB, 64), ("9.6.6", BINARY, MIB, 2048)] {
        let payload = payload(first, size);
        let cut = Cut::Octets(octets);
        check(&server, case, cut, &[frame(first, &payload)], &[(first, payload)], End::Clean).await;
    }
}

#[tokio::test]
async fn autobahn_9_7_and_9_8_one_message_after_another_is_echoed() {
    let server = echo().await;
    for (case, first, size) in [("9.7.1", TEXT, 0), ("9.7.3", TEXT, 64), ("9.8.6", BINARY, 4096)] {
        let mut raw = server.raw("/").await;
        let payload = payload(first, size);
        let message = [frame(first, &payload)];
        for _ in 0..200 {
            send(&mut raw, Cut::Whole, &message).await;
            expect(&mut raw, case, first, &payload).await;
        }
        finish(raw, case, End::Clean).await;
    }
}

/// The suite sends until its timeout. Here the limit ends the message.
#[tokio::test]
async fn autobahn_9_9_1_a_message_of_endless_fragments_is_1009() {
    let server = echo().await;
    let mut raw = server.raw("/").await;
    let fragment = vec![b'*'; 64 * KIB];
    raw.frame(FIRST_OF_TEXT, &fragment).await;
    for _ in 0..256 {
        raw.frame(0x00, &fragment).await;
    }
    finish(raw, "9.9.1", End::Closed(1009)).await;
}
