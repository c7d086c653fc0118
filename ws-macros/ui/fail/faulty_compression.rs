use ws_core::prelude::*;

#[ws_controller(path = "/a", compression(mode = "x"))]
struct NoMode;

#[ws_controller(path = "/b", compression(mode = true))]
struct NoText;

#[ws_controller(path = "/c", compression(mod = "window", bits = 12))]
struct UnknownKey;

#[ws_controller(path = "/d", compression(level = 0))]
struct LevelTooLow;

#[ws_controller(path = "/e", compression(level = 10, threshold = "64 kilobytes"))]
struct LevelTooHigh;

#[ws_controller(path = "/f", compression(level = "fast"))]
struct NoLevel;

#[ws_controller(path = "/g", compression(level = 4294967297))]
struct LevelBeyondThirtyTwoBits;

#[ws_controller(path = "/h", compression(window = "5KiB"))]
struct NoPowerOfTwo;

#[ws_controller(path = "/i", compression(window = 256))]
struct WindowTooSmall;

#[ws_controller(path = "/j", compression(window = "64KiB"))]
struct WindowTooLarge;

#[ws_controller(path = "/k", compression(window = "12"))]
struct NoWindow;

#[ws_controller(path = "/l", compression(threshold = 0, mode = "off", mode = "window"))]
struct NoThreshold;

#[ws_controller(path = "/m", compression = "window")]
struct NoList;

fn main() {}
