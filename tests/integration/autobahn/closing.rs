//! Chapter 7: the closing handshake (RFC 6455 sections 5.5.1, 7.1 and 7.4).

use super::{
    CLOSE, CONTINUATION, Cut, End, FAILED, FIN, FIRST_OF_TEXT, HELLO, PING, TEXT, check, close, echo, frame,
};

const CLEAN: End = End::Closed(1000);

#[tokio::test]
async fn autobahn_7_1_frames_after_a_close_frame_are_ignored() {
    let server = echo().await;
    check(&server, "7.1.1", Cut::Whole, &[frame(TEXT, HELLO)], &[(TEXT, HELLO.to_vec())], End::Clean).await;
    let cases = [
        ("7.1.2 another close frame", frame(CLOSE, b"")),
        ("7.1.3 a ping", frame(PING, b"")),
        ("7.1.4 a text", frame(TEXT, HELLO)),
        ("bytes that are not a frame", vec![0xff; 20]),
    ];
    for (case, behind) in cases {
        for cut in [Cut::Whole, Cut::Frames] {
            check(&server, case, cut, &[close(1000), behind.clone()], &[], CLEAN).await;
        }
    }
    let unfinished = [frame(FIRST_OF_TEXT, b"1"), close(1000), frame(CONTINUATION | FIN, b"2")];
    check(&server, "7.1.5", Cut::Whole, &unfinished, &[], CLEAN).await;
}

/// The suite accepts any outcome. Here, messages before the close frame are handled, and their
/// echoes are sent.
#[tokio::test]
async fn autobahn_7_1_6_messages_before_a_close_frame_are_echoed() {
    let server = echo().await;
    let large: Vec<u8> = b"BAsd7&jh23".iter().copied().cycle().take(256 << 10).collect();
    let frames = [frame(TEXT, &large), frame(TEXT, HELLO), close(1000), frame(PING, b"")];
    check(&server, "7.1.6", Cut::Whole, &frames, &[(TEXT, large), (TEXT, HELLO.to_vec())], CLEAN).await;
}

#[tokio::test]
async fn autobahn_7_3_and_7_5_a_close_frame_has_a_code_and_a_reason_or_nothing() {
    let server = echo().await;
    let with = |reason: &[u8]| [&1000_u16.to_be_bytes(), reason].concat();
    let cases: [(&str, Vec<u8>, End); 7] = [
        ("7.3.1 nothing", vec![], End::Closed(1005)),
        ("7.3.2 one octet", b"a".to_vec(), FAILED),
        ("7.3.3 a code", with(b""), CLEAN),
        ("7.3.4 a code and a reason", with(HELLO), CLEAN),
        ("7.3.5 the longest reason", with(&[b'*'; 123]), CLEAN),
        ("7.3.6 a reason too long", with(&[b'*'; 124]), FAILED),
        ("7.5.1 a reason that is not UTF-8", with(b"\xce\xba\xed\xa0\x80edited"), End::Closed(1007)),
    ];
    for (case, payload, end) in cases {
        check(&server, case, Cut::Whole, &[frame(CLOSE, &payload)], &[], end).await;
        check(&server, case, Cut::Octets(1), &[frame(CLOSE, &payload)], &[], end).await;
    }
}

/// Cases 7.7.1 to 7.7.13, and the codes that IANA has registered since: 1012 to 1014, 3003, 3008.
#[tokio::test]
async fn autobahn_7_7_a_code_that_may_be_sent_is_echoed() {
    let server = echo().await;
    let suite = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for code in suite.into_iter().chain([1012, 1013, 1014, 3003, 3008]) {
        check(&server, &format!("7.7 {code}"), Cut::Whole, &[close(code)], &[], End::Closed(code)).await;
    }
}

/// Cases 7.9.1 to 7.9.9 and 7.13 (the suite accepts any outcome of the latter), and the codes that
/// no endpoint may send (section 7.4.1).
#[tokio::test]
async fn autobahn_7_9_and_7_13_any_other_code_fails_the_connection() {
    let server = echo().await;
    let suite = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535];
    for code in suite.into_iter().chain([1015]) {
        check(&server, &format!("7.9 {code}"), Cut::Whole, &[close(code)], &[], FAILED).await;
    }
}
