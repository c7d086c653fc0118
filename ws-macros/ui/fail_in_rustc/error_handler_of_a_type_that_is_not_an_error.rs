use ws_core::prelude::*;

struct Nothing;

#[ws_error_handler]
async fn nothing(_error: &Nothing, _scene: &Scene) -> Recovery {
    Recovery::pass()
}

fn main() {}
