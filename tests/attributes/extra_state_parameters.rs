use ws_core::prelude::*;

#[derive(Clone)]
struct Users(Vec<String>);

type Alias = State<u64>;

#[ws_middleware]
async fn one(handshake: Handshake, next: Next<'_>, State(users): State<Users>) -> Result<Response> {
    drop(users.0);
    next.run(handshake).await
}

#[ws_middleware(order = 10)]
async fn six(
    mut handshake: Handshake,
    next: Next<'_>,
    State(_a): State<u8>,
    State(_b): State<u16>,
    State(_c): State<u32>,
    _d: Alias,
    State(Users(_e)): State<Users>,
    _: State<&'static str>,
) -> Result<Response> {
    handshake.context_mut().set(1_u8);
    next.run(handshake).await
}

#[ws_middleware(server = "admin", order = -5)]
async fn named_lifetime<'a>(
    handshake: Handshake,
    next: Next<'a>,
    State(users): State<Users>,
) -> Result<Response> {
    drop(users.0);
    next.run(handshake).await
}

type Answer = Result<Response>;

#[ws_middleware]
async fn alias_of_the_result(handshake: Handshake, next: Next<'_>) -> Answer {
    next.run(handshake).await
}
