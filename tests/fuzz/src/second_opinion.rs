//! `second_opinion`: the socket layer returns the same messages, the same kind of fault and the same close code as
//! tungstenite's codec, except for the differences that `ws_core::fuzzing` lists.

use ws_core::fuzzing::compare_with_tungstenite;

/// A byte for each limit and a seed that says where the stream is cut, then the stream.
pub fn check(bytes: &[u8]) {
    let Some(([message, frame], bytes)) = bytes.split_first_chunk() else { return };
    let Some((seed, stream)) = bytes.split_first_chunk() else { return };
    let [message, frame] = [message, frame].map(|limit| 1_usize << (limit % 21));
    compare_with_tungstenite(stream, message, frame, u64::from_le_bytes(*seed));
}
