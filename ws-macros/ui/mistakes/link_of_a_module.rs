//! `link!` of a module
//! Write: `ws_core::link!(that_crate)`; modules of your own crate do not need it

mod controllers {}

ws_core::link!(crate::controllers);

fn main() {}
