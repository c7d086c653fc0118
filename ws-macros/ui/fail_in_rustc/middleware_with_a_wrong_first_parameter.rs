#![allow(unused_variables)]

use ws_core::prelude::*;

#[ws_middleware]
async fn trace(connection: Connection, next: Next<'_>) -> Result<Response> {
    todo!()
}

fn main() {}
