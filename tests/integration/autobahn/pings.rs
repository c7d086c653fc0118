//! Chapter 2: pings and pongs (RFC 6455 sections 5.5.2 and 5.5.3).

use super::{Cut, End, FAILED, HELLO, NO_TEXT, PING, PONG, check, echo, frame};

#[tokio::test]
async fn autobahn_2_1_to_2_6_a_ping_is_answered_with_its_payload_of_125_octets_at_most() {
    let server = echo().await;
    let full = [0xfe; 125];
    let cases: [(&str, &[u8], Cut); 5] = [
        ("2.1", b"", Cut::Whole),
        ("2.2", HELLO, Cut::Whole),
        ("2.3", NO_TEXT, Cut::Whole),
        ("2.4", &full, Cut::Whole),
        ("2.6", &full, Cut::Octets(1)),
    ];
    for (case, payload, cut) in cases {
        check(&server, case, cut, &[frame(PING, payload)], &[(PONG, payload.to_vec())], End::Clean).await;
    }
    check(&server, "2.5", Cut::Whole, &[frame(PING, &[0xfe; 126])], &[], FAILED).await;
}

#[tokio::test]
async fn autobahn_2_7_to_2_9_a_pong_is_not_answered() {
    let server = echo().await;
    let unsolicited = frame(PONG, b"unsolicited pong payload");
    let ping = frame(PING, b"ping payload");
    let pong = (PONG, b"ping payload".to_vec());
    check(&server, "2.7", Cut::Whole, &[frame(PONG, b"")], &[], End::Clean).await;
    check(&server, "2.8", Cut::Whole, std::slice::from_ref(&unsolicited), &[], End::Clean).await;
    check(&server, "2.9", Cut::Whole, &[unsolicited, ping], &[pong], End::Clean).await;
}

/// Section 5.5.3 allows an answer to only the last ping. This server answers each.
#[tokio::test]
async fn autobahn_2_10_and_2_11_each_of_many_pings_is_answered() {
    let server = echo().await;
    let payloads: Vec<Vec<u8>> = (0..10).map(|n| format!("payload-{n}").into_bytes()).collect();
    let pings: Vec<Vec<u8>> = payloads.iter().map(|payload| frame(PING, payload)).collect();
    let pongs: Vec<(u8, Vec<u8>)> = payloads.into_iter().map(|payload| (PONG, payload)).collect();
    for (case, cut) in [("2.10", Cut::Whole), ("2.11", Cut::Octets(1))] {
        check(&server, case, cut, &pings, &pongs, End::Clean).await;
    }
}
