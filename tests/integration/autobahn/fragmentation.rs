//! Chapter 5: fragments, and the frames that are allowed between them (RFC 6455 sections 5.4 and
//! 5.5).

use super::{
    CONTINUATION, Cut, End, FAILED, FIN, FIRST_OF_TEXT, HELLO, PING, PONG, TEXT, check, echo, expect, finish,
    frame, send,
};

/// The suite sends most cases in one write, frame by frame and octet by octet.
const CUTS: [Cut; 3] = [Cut::Whole, Cut::Frames, Cut::Octets(1)];

fn two_fragments() -> [Vec<u8>; 2] {
    [frame(FIRST_OF_TEXT, b"fragment1"), frame(CONTINUATION | FIN, b"fragment2")]
}

fn whole() -> (u8, Vec<u8>) {
    (TEXT, b"fragment1fragment2".to_vec())
}

#[tokio::test]
async fn autobahn_5_1_and_5_2_a_control_frame_is_never_fragmented() {
    let server = echo().await;
    for (case, first) in [("5.1", PING), ("5.2", PONG)] {
        let frames = [frame(first & !FIN, b"fragment1"), frame(CONTINUATION | FIN, b"fragment2")];
        check(&server, case, Cut::Whole, &frames, &[], FAILED).await;
    }
}

#[tokio::test]
async fn autobahn_5_3_to_5_8_control_frames_between_fragments_do_not_change_the_text() {
    let server = echo().await;
    for (case, cut) in ["5.3", "5.4", "5.5"].into_iter().zip(CUTS) {
        check(&server, case, cut, &two_fragments(), &[whole()], End::Clean).await;
    }
    for (case, cut) in ["5.6", "5.7", "5.8"].into_iter().zip(CUTS) {
        let [first, last] = two_fragments();
        let frames = [first, frame(PING, b"ping payload"), last];
        let answers = [(PONG, b"ping payload".to_vec()), whole()];
        check(&server, case, cut, &frames, &answers, End::Clean).await;
    }
}

#[tokio::test]
async fn autobahn_5_9_to_5_14_a_continuation_needs_a_first_fragment() {
    let server = echo().await;
    let cases = [(["5.9", "5.10", "5.11"], CONTINUATION | FIN), (["5.12", "5.13", "5.14"], CONTINUATION)];
    for (cases, first) in cases {
        for (case, cut) in cases.into_iter().zip(CUTS) {
            let frames = [frame(first, b"non-continuation payload"), frame(TEXT, HELLO)];
            check(&server, case, cut, &frames, &[], FAILED).await;
        }
    }
}

#[tokio::test]
async fn autobahn_5_15_to_5_18_a_continuation_after_the_end_and_a_second_first_fragment_fail() {
    let server = echo().await;
    let [first, last] = two_fragments();
    let continued =
        [first.clone(), last.clone(), frame(CONTINUATION, b"fragment3"), frame(TEXT, b"fragment4")];
    check(&server, "5.15", Cut::Whole, &continued, &[whole()], FAILED).await;
    for (case, fin) in [("5.16", 0), ("5.17", FIN)] {
        let frames = [frame(CONTINUATION | fin, b"fragment1"), first.clone(), last.clone()];
        check(&server, case, Cut::Whole, &[&frames[..], &frames].concat(), &[], FAILED).await;
    }
    let begun_twice = [first, frame(TEXT, b"fragment2")];
    check(&server, "5.18", Cut::Whole, &begun_twice, &[], FAILED).await;
}

#[tokio::test]
async fn autobahn_5_19_and_5_20_a_ping_between_fragments_is_answered_before_the_last_fragment() {
    let server = echo().await;
    for (case, cut) in [("5.19", Cut::Whole), ("5.20", Cut::Frames)] {
        let mut raw = server.raw("/").await;
        let part1 = [frame(FIRST_OF_TEXT, b"1"), frame(CONTINUATION, b"2"), frame(PING, b"pongme 1!")];
        send(&mut raw, cut, &part1).await;
        expect(&mut raw, case, PONG, b"pongme 1!").await;
        let part2 = [
            frame(CONTINUATION, b"3"),
            frame(CONTINUATION, b"4"),
            frame(PING, b"pongme 2!"),
            frame(CONTINUATION | FIN, b"5"),
        ];
        send(&mut raw, cut, &part2).await;
        expect(&mut raw, case, PONG, b"pongme 2!").await;
        expect(&mut raw, case, TEXT, b"12345").await;
        finish(raw, case, End::Clean).await;
    }
}
