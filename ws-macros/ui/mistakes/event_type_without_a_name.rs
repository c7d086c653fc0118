//! `#[derive(WsEvent)]` without `#[ws_event("..")]`
//! Write: `#[ws_event("said")]` below the derive

use serde::Serialize;
use ws_core::prelude::*;

#[derive(Serialize, WsEvent)]
struct Said {
    id: u64,
}

fn main() {}
