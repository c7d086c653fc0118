#![allow(unused_variables)]

use ws_core::prelude::*;

#[ws_middleware]
fn not_async(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    todo!()
}

#[ws_middleware]
async fn without_parameters() -> Result<Response> {
    todo!()
}

#[ws_middleware]
async fn without_next(handshake: Handshake) -> Result<Response> {
    todo!()
}

#[ws_middleware]
async fn without_result(handshake: Handshake, next: Next<'_>) {}

#[ws_middleware]
async fn generic<T>(handshake: Handshake, next: Next<'_>, State(value): State<T>) -> Result<Response> {
    todo!()
}

#[ws_middleware]
async fn hidden_generic(handshake: Handshake, next: Next<'_>, value: State<impl Clone>) -> Result<Response> {
    todo!()
}

#[ws_middleware]
async unsafe fn not_safe(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    todo!()
}

#[ws_middleware]
async extern "C" fn foreign(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    todo!()
}

fn main() {}
