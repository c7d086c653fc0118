//! Private parts of the crate for the targets of `tests/fuzz`, and the comparisons of the socket
//! layer with tungstenite and of its compression with flate2, which tests of this crate use, too.
//!
//! The parts are compiled under `--cfg fuzzing`, which cargo-fuzz sets, and with feature `testing`
//! only: other people fuzz their own programs over this crate, and need none of it. They add no
//! behaviour: the properties are in the targets.

#[cfg(feature = "deflate")]
mod compressed;
#[cfg(all(fuzzing, feature = "testing"))]
mod node_message;
#[cfg(all(fuzzing, feature = "testing"))]
mod parts;
mod second_opinion;

#[cfg(feature = "deflate")]
pub use self::compressed::{Content, Direction, Sent, check_answer, check_read, check_stream, check_written};
#[cfg(all(fuzzing, feature = "testing"))]
pub use self::node_message::{NodeMessage, receive_from_broker};
#[cfg(all(fuzzing, feature = "testing"))]
pub use self::parts::{Envelope, Received, Socket, connect, proxy_header};
pub use self::second_opinion::{Reading, Side, compare_with_tungstenite};
