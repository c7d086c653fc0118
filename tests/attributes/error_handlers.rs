use ws_core::prelude::*;

#[derive(Debug, thiserror::Error)]
#[error("chat")]
struct ChatError;

#[derive(Debug, thiserror::Error)]
#[error("wrapped")]
struct Wrapped<T: std::fmt::Debug>(T);

#[ws_error_handler]
async fn chat(error: &ChatError, scene: &Scene) -> Recovery {
    match scene.phase() {
        Phase::Handshake => Recovery::respond(StatusCode::FORBIDDEN, error.to_string()),
        Phase::Message => Recovery::reply("chat"),
        Phase::Open | Phase::Close => Recovery::disconnect(4003, "not welcome"),
    }
}

#[ws_error_handler(order = 1)]
async fn wrapped<'a>(Wrapped(value): &'a Wrapped<Vec<u8>>, _: &'a Scene) -> Recovery {
    Recovery::disconnect(4000, format!("{value:?}"))
}

#[ws_error_handler(server = "admin")]
#[allow(unused_parens)]
async fn parenthesised(_error: &(ChatError), _scene: &Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler(order = 2)]
async fn with_state(
    error: &ChatError,
    _: &Scene,
    State(limit): State<u8>,
    #[cfg(false)] _: NoSuchType,
    _: State<&'static str>,
) -> Recovery {
    Recovery::disconnect(4000, format!("{error} {limit}"))
}

#[ws_error_handler]
async fn everything(_error: &ws_core::Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}
