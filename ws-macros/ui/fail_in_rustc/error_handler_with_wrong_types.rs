use ws_core::prelude::*;

#[ws_error_handler]
async fn wrong_result(_error: &Error, _scene: &Scene) -> Result<Recovery> {
    Ok(Recovery::pass())
}

#[ws_error_handler]
async fn wrong_scene(_error: &Error, _scene: &Connection) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn with_more(_error: &Error, _scene: &Scene, _conn: &Connection) -> Recovery {
    Recovery::pass()
}

fn main() {}
