//! Chapter 4: reserved opcodes (RFC 6455 section 5.2).

use super::{Cut, FAILED, FIN, HELLO, PING, TEXT, check, echo, frame};

#[tokio::test]
async fn autobahn_4_1_and_4_2_a_reserved_opcode_fails_the_connection() {
    let server = echo().await;
    for (chapter, opcodes) in [("4.1", 3..=7), ("4.2", 11..=15)] {
        for (n, opcode) in opcodes.enumerate() {
            let case = format!("{chapter}.{}", n + 1);
            let payload = if n % 2 == 0 { b"" } else { HELLO };
            let reserved = frame(FIN | opcode, payload);
            if n < 2 {
                check(&server, &case, Cut::Whole, &[reserved], &[], FAILED).await;
            } else {
                // The message before it is answered, the ping after it is not.
                let cut = if n == 4 { Cut::Octets(1) } else { Cut::Whole };
                let frames = [frame(TEXT, HELLO), reserved, frame(PING, b"")];
                check(&server, &case, cut, &frames, &[(TEXT, HELLO.to_vec())], FAILED).await;
            }
        }
    }
}
