//! Invalid public parts of an error.

use ws_core::WsError;

#[derive(WsError)]
enum Nothing {
    Private,
}

#[derive(WsError)]
struct NothingEither;

#[derive(WsError)]
enum Variants {
    #[ws_error(status = 404, close = 4004)]
    NoCode,
    #[ws_error(code = "")]
    EmptyCode,
    #[ws_error(code = "status", status = 200)]
    Status,
    #[ws_error(code = "close", close = 1006)]
    Close,
    #[ws_error]
    NoArguments,
    #[ws_error()]
    EmptyArguments,
    #[ws_error(cod = "x")]
    Unknown,
    #[ws_error(code = "a")]
    #[ws_error(code = "b")]
    Twice,
    #[ws_error(code = "crate", crate = ws_core)]
    Crate,
    Field(#[ws_error(code = "field")] u8),
}

#[derive(WsError)]
#[ws_error(code = "whole")]
enum Whole {
    #[ws_error(code = "variant")]
    Variant,
}

#[derive(WsError)]
#[ws_error(code = "generic")]
struct Generic<T>(T);

#[derive(WsError)]
#[ws_error(code = "lifetime")]
struct Lifetime<'a>(&'a str);

#[derive(WsError)]
#[ws_error(code = "union")]
union Union {
    number: u8,
}

fn main() {}
