//! `link!` of a module
//! Write: `ws_core::link!(that_crate)`; modules of the own crate need none

mod controllers {}

ws_core::link!(crate::controllers);

fn main() {}
