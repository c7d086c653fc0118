#![allow(unused_variables)]

use ws_core::prelude::*;

#[ws_error_handler]
fn not_async(error: &Error, scene: &Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn by_value(error: std::io::Error, scene: Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn mutable(error: &mut std::io::Error, scene: &Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn without_scene(error: &Error) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn without_recovery(error: &Error, scene: &Scene) {}

#[ws_error_handler]
async fn trait_object(error: &dyn std::error::Error, scene: &Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler]
async fn generic<E: std::error::Error>(error: &E, scene: &Scene) -> Recovery {
    Recovery::pass()
}

fn main() {}
