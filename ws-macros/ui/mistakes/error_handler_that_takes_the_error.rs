//! An error handler that takes its error by value
//! Write: `error: &std::io::Error`

use ws_core::prelude::*;

#[ws_error_handler]
async fn chat(error: std::io::Error, scene: &Scene) -> Recovery {
    Recovery::error("io", format!("{error} in {:?}", scene.phase()))
}

fn main() {}
