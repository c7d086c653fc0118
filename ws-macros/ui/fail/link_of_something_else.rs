ws_core::link!(serde::de);
ws_core::link!("serde");

fn main() {}
