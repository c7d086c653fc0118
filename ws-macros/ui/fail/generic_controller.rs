use ws_core::prelude::*;

#[ws_controller(path = "/echo")]
struct Echo<T: Send + Sync + 'static>(T);

impl<T: Send + Sync + 'static> Controller for Echo<T> {}

fn main() {}
