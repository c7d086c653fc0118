use ws_core::prelude::*;

#[ws_controller(path = "/a", limits(message = "64 kilobytes", frame = "1.5MiB"))]
struct NoSize;

#[ws_controller(path = "/b", limits(message = "0KiB", frame = 0, outbox_bytes = 0))]
struct Zero;

#[ws_controller(path = "/c", limits(message = "99999999999GiB"))]
struct TooLarge;

#[ws_controller(path = "/d", limits(message = true))]
struct NoNumber;

#[ws_controller(path = "/e", limits(fragments = 0, message_burst = 0, outbox_messages = 4294967296))]
struct NoCount;

#[ws_controller(path = "/f", limits(fragments = "off", messages_per_second = "many", message_burst = 1.5))]
struct NoWholeNumber;

#[ws_controller(path = "/g", limits(handler_timeout = "5"))]
struct NoUnit;

#[ws_controller(path = "/h", limits(handler_timeout = "0s"))]
struct NoTime;

#[ws_controller(path = "/i", limits(handler_timeout = 5))]
struct NoText;

#[ws_controller(path = "/j", limits(overflow = "wait", over_rate = "ignore"))]
struct NoPolicy;

#[ws_controller(path = "/k", limits(rooms = "off", tasks = 0, inbox_messages = 0, inbox_bytes = 0))]
struct NoRoom;

fn main() {}
