//! Private parts of the crate for the targets of `tests/fuzz`, and the comparison of the socket
//! layer with tungstenite, which a test of this crate uses, too.
//!
//! The parts are compiled under `--cfg fuzzing`, which cargo-fuzz sets, and with feature `testing`
//! only: other people fuzz their own programs over this crate, and need none of it. They add no
//! behaviour: the properties are in the targets.

#[cfg(all(fuzzing, feature = "testing"))]
mod node_message;
#[cfg(all(fuzzing, feature = "testing"))]
mod parts;
mod second_opinion;

#[cfg(all(fuzzing, feature = "testing"))]
pub use self::node_message::{NodeMessage, receive_from_broker};
#[cfg(all(fuzzing, feature = "testing"))]
pub use self::parts::{Envelope, Received, Socket, connect, proxy_header};
pub use self::second_opinion::{Reading, Side, compare_with_tungstenite};
