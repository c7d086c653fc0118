//! `second_opinion`: the socket layer returns the same messages, the same kind of fault and the
//! same close code as tungstenite's codec, except for the differences that `ws_core::fuzzing`
//! lists.

use ws_core::fuzzing::{Reading, Side, compare_with_tungstenite};

/// A byte for each limit, the first of which also chooses the side that reads, and a seed for the
/// places of the cuts; then the stream.
pub fn check(bytes: &[u8]) {
    let Some(([message, frame], bytes)) = bytes.split_first_chunk() else { return };
    let Some((seed, stream)) = bytes.split_first_chunk() else { return };
    let side = if message & 0x80 == 0 { Side::Server } else { Side::Client };
    let [message, frame] = [message & 0x7f, *frame].map(|limit| 1 << (limit % 21));
    compare_with_tungstenite(stream, Reading { side, message, frame, seed: u64::from_le_bytes(*seed) });
}
