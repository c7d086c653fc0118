use ws_core::prelude::*;

#[ws_controller(path = "/a", limits(message = "64 kilobytes", frame = "1.5MiB"))]
struct NoSize;

#[ws_controller(path = "/b", limits(message = "0KiB", frame = 0))]
struct Zero;

#[ws_controller(path = "/c", limits(message = "99999999999GiB"))]
struct TooLarge;

#[ws_controller(path = "/d", limits(message = true))]
struct NoNumber;

fn main() {}
