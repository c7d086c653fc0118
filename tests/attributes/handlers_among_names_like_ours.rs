//! A user's names do not collide with those of generated code.

#![allow(non_camel_case_types, dead_code)]

use ws_core::ws_handlers;

struct Result;
struct Option;
struct Message;
struct Some;
struct Param;
struct __Kept;
mod __h {}

struct Room {
    __conn: u8,
}

macro_rules! room {
    ($event:literal, $method:ident, $data:ty) => {
        #[ws_handlers]
        impl Room {
            #[on_event($event)]
            async fn $method(&self, __message: ws_core::Data<$data>) -> ws_core::Data<$data> {
                __message
            }

            #[on_open]
            async fn on_open(&self, __conn: &ws_core::Connection, __to: ws_core::ConnectionId) {}
        }
    };
}

room!("say", say, u8);
