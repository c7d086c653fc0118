//! A status in `#[ws_error(..)]` without a code
//! Write: `#[ws_error(code = "too_long", status = 413)]`

use ws_core::prelude::*;

#[derive(Debug, thiserror::Error, WsError)]
enum ChatError {
    #[error("too long")]
    #[ws_error(status = 413)]
    TooLong,
}

fn main() {}
