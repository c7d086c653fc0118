//! Chapter 1: the three forms of a payload's length (RFC 6455 section 5.2).

use super::{BINARY, Cut, End, TEXT, check, echo, frame};

/// Case 1.x.n has the n-th of these; 1.x.8 is the last one, cut into pieces.
const SIZES: [usize; 7] = [0, 125, 126, 127, 128, 65_535, 65_536];

async fn echoes(chapter: &str, first: u8, octet: u8) {
    let server = echo().await;
    let cuts = SIZES.map(|size| (size, Cut::Whole)).into_iter().chain([(65_536, Cut::Octets(997))]);
    for (n, (size, cut)) in cuts.enumerate() {
        let payload = vec![octet; size];
        let case = format!("{chapter}.{}", n + 1);
        check(&server, &case, cut, &[frame(first, &payload)], &[(first, payload)], End::Clean).await;
    }
}

#[tokio::test]
async fn autobahn_1_1_texts_of_every_form_of_length_are_echoed() {
    echoes("1.1", TEXT, b'*').await;
}

#[tokio::test]
async fn autobahn_1_2_binary_messages_of_every_form_of_length_are_echoed() {
    echoes("1.2", BINARY, 0xfe).await;
}

#[tokio::test]
async fn a_header_is_read_octet_by_octet() {
    let server = echo().await;
    for size in [5, 126, 65_536] {
        let payload = vec![b'*'; size];
        let bytes = frame(TEXT, &payload);
        // The header octet by octet, and the rest at once.
        let (header, rest) = bytes.split_at(bytes.len() - size);
        let pieces: Vec<Vec<u8>> = header.iter().map(|octet| vec![*octet]).chain([rest.to_vec()]).collect();
        check(&server, &format!("{size}"), Cut::Frames, &pieces, &[(TEXT, payload)], End::Clean).await;
    }
}

/// A sender MUST use the shortest form (section 5.2). The RFC does not say what a receiver does
/// with a longer one.
#[tokio::test]
async fn a_length_in_a_longer_form_than_necessary_is_accepted() {
    let server = echo().await;
    let mask = [0; 4];
    let in_two = [&[TEXT, 0x80 | 126, 0, 2][..], &mask, b"hi"].concat();
    let in_eight = [&[TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 2][..], &mask, b"hi"].concat();
    let answers = [(TEXT, b"hi".to_vec()), (TEXT, b"hi".to_vec())];
    check(&server, "2 of 2 and 8 octets", Cut::Whole, &[in_two, in_eight], &answers, End::Clean).await;
}
