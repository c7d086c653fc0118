use ws_core::prelude::*;

#[ws_controller(path = "/a")]
enum Choice {
    One,
}

#[ws_controller(path = "/b")]
async fn echo() {}

fn main() {}
