//! Chapter 10: a message that its sender cuts into frames of one size.

use super::{Cut, End, FIRST_OF_TEXT, TEXT, check, echo, fragments};

#[tokio::test]
async fn autobahn_10_1_1_a_text_of_65536_octets_in_frames_of_1300_is_echoed() {
    let server = echo().await;
    let text = vec![b'*'; 65_536];
    let frames = fragments(FIRST_OF_TEXT, &text, 1300);
    assert_eq!(frames.len(), 51);
    check(&server, "10.1.1", Cut::Whole, &frames, &[(TEXT, text)], End::Clean).await;
}
