//! Chapter 6: texts are UTF-8 (RFC 3629), and invalid UTF-8 fails the connection (RFC 6455 section
//! 8.1).

use super::{
    CONTINUATION, Cut, End, FIN, FIRST_OF_TEXT, NO_UTF8, TEXT, check, echo, finish, fragments, frame, send,
};

/// κόσμε
const COSMOS: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const GREETING: &str = "Hello-µ@ßöäüàá-UTF-8!!";

#[tokio::test]
async fn autobahn_6_1_texts_and_fragments_may_be_empty() {
    let server = echo().await;
    let cases = [
        ("6.1.1", vec![frame(TEXT, b"")], ""),
        ("6.1.2", vec![frame(FIRST_OF_TEXT, b""), frame(CONTINUATION, b""), frame(FIN, b"")], ""),
        ("6.1.3", vec![frame(FIRST_OF_TEXT, b""), frame(CONTINUATION, b"middle"), frame(FIN, b"")], "middle"),
    ];
    for (case, frames, text) in cases {
        check(&server, case, Cut::Whole, &frames, &[(TEXT, text.into())], End::Clean).await;
    }
}

#[tokio::test]
async fn autobahn_6_2_fragments_may_end_within_a_code_point() {
    let server = echo().await;
    let greeting = GREETING.as_bytes();
    let cases =
        [("6.2.1", greeting, 100), ("6.2.2", greeting, 12), ("6.2.3", greeting, 1), ("6.2.4", COSMOS, 1)];
    for (case, text, octets) in cases {
        let frames = fragments(FIRST_OF_TEXT, text, octets);
        check(&server, case, Cut::Whole, &frames, &[(TEXT, text.to_vec())], End::Clean).await;
    }
}

#[tokio::test]
async fn autobahn_6_3_invalid_utf8_fails_the_connection_also_in_fragments() {
    let server = echo().await;
    let surrogate = [COSMOS, b"\xed\xa0\x80", b"edited"].concat();
    for (case, octets) in [("6.3.1", 100), ("6.3.2", 1)] {
        let frames = fragments(FIRST_OF_TEXT, &surrogate, octets);
        check(&server, case, Cut::Whole, &frames, &[], NO_UTF8).await;
    }
}

/// The first fragment is valid, the second is not, and the last one is never sent.
#[tokio::test]
async fn autobahn_6_4_1_and_6_4_2_the_first_invalid_fragment_fails_the_connection_at_once() {
    let server = echo().await;
    let beyond = b"\xf4\x90\x80\x80";
    let octet_by_octet = [COSMOS, &beyond[..1]].concat();
    let cases: [(&str, &[u8], &[u8]); 2] =
        [("6.4.1", COSMOS, beyond), ("6.4.2", &octet_by_octet, &beyond[1..2])];
    for (case, good, bad) in cases {
        let mut raw = server.raw("/").await;
        send(&mut raw, Cut::Frames, &[frame(FIRST_OF_TEXT, good), frame(CONTINUATION, bad)]).await;
        finish(raw, case, NO_UTF8).await;
    }
}

/// The rest of the frame is never sent: the invalid octet fails the connection at once.
#[tokio::test]
async fn autobahn_6_4_3_and_6_4_4_the_first_invalid_octet_fails_the_connection_inside_a_frame() {
    let server = echo().await;
    let payload = [COSMOS, b"\xf4\x90\x80\x80", b"edited"].concat();
    let bytes = frame(TEXT, &payload);
    let header = bytes.len() - payload.len();
    for (case, first, second) in [("6.4.3", 11, 4), ("6.4.4", 12, 1)] {
        let (first, rest) = bytes.split_at(header + first);
        let pieces = [first, &rest[..second]].map(<[u8]>::to_vec);
        check(&server, case, Cut::Frames, &pieces, &[], NO_UTF8).await;
    }
}

type Sequences = &'static [&'static [u8]];

const VALID: [(&str, Sequences); 6] = [
    (
        "6.5 some valid sequences",
        &[
            b"hello\x24world",
            b"hello\xc2\xa2world",
            b"hello\xe2\x82\xacworld",
            b"hello\xf0\xa4\xad\xa2world",
            COSMOS,
        ],
    ),
    ("6.7 first of each length", &[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    ("6.9 last of each length", &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    ("6.11 other boundaries", &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]),
    ("6.22 non-characters", &[b"\xef\xbf\xbe", b"\xef\xbf\xbf"]),
    (
        "6.23 specials",
        &[
            b"\xef\xbf\xb9",
            b"\xef\xbf\xba",
            b"\xef\xbf\xbb",
            b"\xef\xbf\xbc",
            b"\xef\xbf\xbd",
            b"\xef\xbf\xbe",
            b"\xef\xbf\xbf",
        ],
    ),
];

/// Sequences without their last octet, one of each kind.
const LAST_OCTET_MISSING: [&[u8]; 10] = [
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xf8\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfb\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf",
];

const INVALID: [(&str, Sequences); 11] = [
    ("6.8 first of five and six", &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    (
        "6.10 last of four, five and six",
        &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    ),
    ("6.11.5 above the last", &[b"\xf4\x90\x80\x80"]),
    (
        "6.12 unexpected continuations",
        &[
            b"\x80",
            b"\xbf",
            b"\x80\xbf",
            b"\x80\xbf\x80",
            b"\x80\xbf\x80\xbf",
            b"\x80\xbf\x80\xbf\x80",
            b"\x80\xbf\x80\xbf\x80\xbf",
        ],
    ),
    ("6.14 last octet missing", &LAST_OCTET_MISSING),
    ("6.16 impossible octets", &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    (
        "6.17 overlong ASCII",
        &[
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xf8\x80\x80\x80\xaf",
            b"\xfc\x80\x80\x80\x80\xaf",
        ],
    ),
    (
        "6.18 longest overlong",
        &[
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x87\xbf\xbf\xbf",
            b"\xfc\x83\xbf\xbf\xbf\xbf",
        ],
    ),
    (
        "6.19 overlong NUL",
        &[
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x80\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80\x80",
        ],
    ),
    (
        "6.20 single surrogates",
        &[
            b"\xed\xa0\x80",
            b"\xed\xad\xbf",
            b"\xed\xae\x80",
            b"\xed\xaf\xbf",
            b"\xed\xb0\x80",
            b"\xed\xbe\x80",
            b"\xed\xbf\xbf",
        ],
    ),
    (
        "6.21 paired surrogates",
        &[
            b"\xed\xa0\x80\xed\xb0\x80",
            b"\xed\xa0\x80\xed\xbf\xbf",
            b"\xed\xad\xbf\xed\xb0\x80",
            b"\xed\xad\xbf\xed\xbf\xbf",
            b"\xed\xae\x80\xed\xb0\x80",
            b"\xed\xae\x80\xed\xbf\xbf",
            b"\xed\xaf\xbf\xed\xb0\x80",
            b"\xed\xaf\xbf\xed\xbf\xbf",
        ],
    ),
];

/// The octets of a range, each with these around it.
fn range(range: std::ops::Range<u8>, between: &[u8]) -> Vec<u8> {
    range.flat_map(|octet| [&[octet], between].concat()).collect()
}

/// Sends every text in one frame and in fragments of one octet.
async fn check_texts(name: &str, texts: impl IntoIterator<Item = Vec<u8>>, end: End) {
    let server = echo().await;
    for (n, text) in texts.into_iter().enumerate() {
        let answers = match end {
            End::Clean => vec![(TEXT, text.clone())],
            End::Closed(_) => vec![],
        };
        for octets in [text.len(), 1] {
            let case = format!("{name}, number {}, in frames of {octets}", n + 1);
            check(&server, &case, Cut::Whole, &fragments(FIRST_OF_TEXT, &text, octets), &answers, end).await;
        }
    }
}

#[tokio::test]
async fn autobahn_6_5_to_6_23_utf8_is_echoed() {
    for (name, sequences) in VALID {
        check_texts(name, sequences.iter().map(|text| text.to_vec()), End::Clean).await;
    }
    // 6.22 continues for each plane.
    let planes = (1..=16).flat_map(|plane| [0xfffe, 0xffff].map(|last| (plane << 16) | last));
    let texts = planes.map(|point| char::from_u32(point).unwrap().to_string().into_bytes());
    check_texts("6.22 non-characters of the planes", texts, End::Clean).await;
}

#[tokio::test]
async fn autobahn_6_8_to_6_21_invalid_utf8_is_1007() {
    for (name, sequences) in INVALID {
        check_texts(name, sequences.iter().map(|text| text.to_vec()), NO_UTF8).await;
    }
    check_texts("6.12.8 all continuations", [range(0x80..0xbf, b"")], NO_UTF8).await;
    let starts = [0xc0..0xdf, 0xe0..0xef, 0xf0..0xf7, 0xf8..0xfb, 0xfc..0xfd];
    check_texts("6.13 lonely starts", starts.map(|starts| range(starts, b" ")), NO_UTF8).await;
    check_texts("6.15 all of 6.14 in a row", [LAST_OCTET_MISSING.concat()], NO_UTF8).await;
}

#[tokio::test]
async fn autobahn_6_6_a_text_ends_at_the_end_of_a_code_point() {
    for length in 1..=COSMOS.len() {
        let text = &COSMOS[..length];
        let end = if std::str::from_utf8(text).is_ok() { End::Clean } else { NO_UTF8 };
        check_texts(&format!("6.6.{length}"), [text.to_vec()], end).await;
    }
}
