//! 配置路由 / the routes: in the how-to a list of paths, here the attribute of each controller.
//!
//! Each struct with `#[ws_controller]` is a route; this is the only list. `cargo run -p ws-demo --
//! routes` prints the table.

mod demo;
mod echo;
mod errors;
mod late;
mod room;

pub(crate) use self::room::Room;
