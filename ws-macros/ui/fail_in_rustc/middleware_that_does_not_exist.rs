use ws_core::prelude::*;

mod auth {}

#[ws_controller(path = "/echo", middleware(require_jwt, auth::throttle))]
struct Echo;

impl Controller for Echo {}

fn main() {}
