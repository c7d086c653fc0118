//! The reconnecting client: its reports, its counters, and the end of its attempts.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use tokio_tungstenite::accept_async;
use ws_core::{
    App, Handshake, Message, Next, Response, Result as WsResult, State,
    client::{Attempt, Client, ClientBuilder, ClientError, ConnectError, GaveUp, ReconnectPolicy, Update},
    handshake::Body,
};

use super::{accept, answer, listen};
use crate::support::{Echo, Logs, PATIENCE, Probe, config, start, start_with, within};

fn policy() -> ReconnectPolicy {
    ReconnectPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(20))
}

#[tokio::test]
async fn the_client_reconnects_to_a_restarted_server_and_reports_the_gap() {
    let app = || App::without_registry().controller("/", Echo);
    let server = start(app()).await;
    let addr = server.addr;
    let mut client = Client::builder(format!("ws://{addr}/")).reconnect(policy()).await.unwrap();
    client.send("one").await.unwrap();
    assert_eq!(client.recv(PATIENCE).await.unwrap(), Update::Message(Message::text("one")));

    let logs = Logs::start();
    let outage = async {
        while !logs.text().contains("not reconnected") {
            assert_eq!(client.recv(Duration::from_millis(10)).await.unwrap(), Update::TimedOut);
        }
    };
    tokio::join!(server.running.shutdown(), within("an attempt that fails", outage));
    assert!(client.current().is_none(), "the outage goes on");

    let mut config = config();
    config.servers[0].port = addr.port();
    let _server = start_with(app(), config).await;
    // `send` acts on the current connection. The program decides what it sends again on a new one.
    let ClientError::Reconnected(news) = within("news", client.send("two")).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(news.lost.code(), 1001);
    assert!(news.attempts >= 2, "{news}");
    client.send("three").await.unwrap();
    assert_eq!(client.recv(PATIENCE).await.unwrap(), Update::Message(Message::text("three")));
    assert_eq!(client.close(1000, "").await.unwrap().code(), 1000);
}

#[tokio::test]
async fn messages_without_a_confirming_pong_are_counted() {
    let (listener, uri) = listen().await;
    let connect = Client::builder(uri).reconnect(policy());
    let accept_one = async || accept_async(accept(&listener).await).await.unwrap();
    let (client, socket) = tokio::join!(connect, accept_one());
    let mut client = client.unwrap();
    for text in ["one", "two", "three"] {
        client.send(text).await.unwrap();
    }
    drop(socket); // without reading
    let (update, _socket) = tokio::join!(client.recv(PATIENCE), accept_one());
    let Update::Reconnected(news) = update.unwrap() else { panic!("no news") };
    assert_eq!((news.unconfirmed, news.attempts), (3, 1));
}

/// Returns the report of a client that lost its connection and whose next attempts are answered
/// with these bytes, one each.
async fn after_a_loss(policy: ReconnectPolicy, answers: &[&[u8]]) -> Result<Update, GaveUp> {
    let (listener, uri) = listen().await;
    let (client, socket) = tokio::join!(Client::builder(uri).reconnect(policy), async {
        accept_async(accept(&listener).await).await
    });
    drop(socket);
    let mut client = client.unwrap();
    let server = async {
        for bytes in answers {
            drop(answer(&listener, bytes).await);
        }
        accept_async(accept(&listener).await).await
    };
    tokio::select! {
        update = client.recv(PATIENCE) => update,
        // Held, so that the connection stays open.
        (_socket, update) = async { tokio::join!(server, std::future::pending::<()>()) } => unreachable!("{update:?}"),
    }
}

#[tokio::test]
async fn a_refusal_is_final_or_not_by_its_status() {
    let gave_up =
        after_a_loss(policy(), &[b"HTTP/1.1 401 U\r\nContent-Length: 0\r\n\r\n"]).await.unwrap_err();
    assert_eq!(gave_up.attempts, 1);
    assert_eq!(gave_up.error.unwrap().status(), Some(StatusCode::UNAUTHORIZED));

    let busy: [&[u8]; 2] = [
        b"HTTP/1.1 503 S\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 T\r\nContent-Length: 0\r\n\r\n",
    ];
    let Update::Reconnected(news) = after_a_loss(policy(), &busy).await.unwrap() else { panic!("no news") };
    assert_eq!(news.attempts, 3);

    let gave_up = after_a_loss(policy().max_attempts(2), &[busy[1]; 2]).await.unwrap_err();
    assert_eq!(gave_up.attempts, 2);
    let gave_up = after_a_loss(policy().max_attempts(0), &[]).await.unwrap_err();
    assert_eq!(gave_up.to_string(), "gave up after 0 attempts: no attempt is allowed");
}

#[tokio::test]
async fn a_final_close_code_ends_the_attempts() {
    for code in [1000, 4403] {
        let (probe, mut reports) = Probe::new();
        let server = start(App::without_registry().controller("/", probe)).await;
        let mut client = Client::builder(format!("ws://{}/", server.addr)).reconnect(policy()).await.unwrap();
        reports.open().await.disconnect(code, "").unwrap();
        let gave_up = within("the end", client.recv(None)).await.unwrap_err();
        assert_eq!((gave_up.lost.code(), gave_up.attempts), (code, 0));
        let why = format!("gave up after 0 attempts: the server closed with code {code}, which is final");
        assert_eq!(gave_up.to_string(), why);
    }
}

/// Accepts handshakes with this token.
struct Token(&'static str);

async fn only_the_bearer(
    request: Handshake,
    next: Next<'_>,
    State(valid): State<Arc<Mutex<Token>>>,
) -> WsResult<Response> {
    let token = valid.lock().unwrap().0;
    if request.bearer_token() == Ok(token) {
        return next.run(request).await;
    }
    Ok(Body::json(StatusCode::UNAUTHORIZED, &"expired"))
}

#[tokio::test]
async fn the_token_function_is_called_before_each_attempt_and_at_once_after_a_refusal() {
    let valid = Arc::new(Mutex::new(Token("first")));
    let (probe, mut reports) = Probe::new();
    let app = App::without_registry().controller("/", probe).state(Arc::clone(&valid)).middleware(
        "ws",
        0,
        only_the_bearer,
    );
    let server = start(app).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    // Paused time would show a wait: an hour is longer than the timeout of the test.
    let policy = ReconnectPolicy::new().backoff(Duration::from_secs(3600), Duration::from_secs(3600));
    let mut client = Client::builder(format!("ws://{}/", server.addr))
        .before_attempt(move |builder: ClientBuilder, attempt: Attempt| {
            let mut asked = seen.lock().unwrap();
            let token = ["first", "second", "third"][asked.len()];
            asked.push((attempt.number, attempt.is_unauthorized()));
            async move { Ok::<_, io::Error>(builder.bearer(token)) }
        })
        .reconnect(policy)
        .await
        .unwrap();

    let conn = reports.open().await;
    *valid.lock().unwrap() = Token("second");
    conn.disconnect(4401, "expired").unwrap();
    let update = within("the new connection", client.recv(None)).await.unwrap();
    let Update::Reconnected(news) = update else { panic!("{update:?}") };
    assert_eq!((news.lost.code(), news.attempts), (4401, 1));
    assert_eq!(*asked.lock().unwrap(), [(1, false), (1, true)]);
}

#[tokio::test]
async fn a_401_is_not_final_if_the_next_attempt_may_have_another_token() {
    let (listener, uri) = listen().await;
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tokens);
    let builder = Client::builder(uri).before_attempt(move |builder: ClientBuilder, attempt: Attempt| {
        let status = attempt.error.as_ref().and_then(|error| error.status());
        seen.lock().unwrap().push((attempt.number, status.map(|status| status.as_u16())));
        async move { Ok::<_, io::Error>(builder.bearer("token")) }
    });
    let (client, socket) =
        tokio::join!(builder.reconnect(policy()), async { accept_async(accept(&listener).await).await });
    drop(socket);
    let mut client = client.unwrap();
    let server = async {
        for _ in 0..3 {
            drop(answer(&listener, b"HTTP/1.1 401 U\r\nContent-Length: 0\r\n\r\n").await);
        }
        drop(answer(&listener, b"HTTP/1.1 403 F\r\nContent-Length: 0\r\n\r\n").await);
    };
    let (update, ()) = tokio::join!(client.recv(PATIENCE), server);
    let gave_up = update.unwrap_err();
    assert_eq!(gave_up.error.unwrap().status(), Some(StatusCode::FORBIDDEN));
    let expected = [(1, None), (1, None), (2, Some(401)), (3, Some(401)), (4, Some(401))];
    assert_eq!(*tokens.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_or_hangs_sends_nothing() {
    let failing = Client::builder("ws://127.0.0.1:1/")
        .before_attempt(async |_: ClientBuilder, _: Attempt| Err::<ClientBuilder, _>("no token here"));
    let error = failing.connect().await.unwrap_err();
    assert!(matches!(&error, ConnectError::NotPrepared(_)), "{error:?}");
    assert_eq!(error.to_string(), "no attempt was made: no token here");

    let hanging = Client::builder("ws://127.0.0.1:1/")
        .before_attempt(async |_: ClientBuilder, _: Attempt| std::future::pending::<io::Result<_>>().await);
    let error = hanging.connect().await.unwrap_err();
    assert_eq!(error.to_string(), "no attempt was made: `before_attempt` took longer than 10s");
}

#[tokio::test]
async fn the_uri_of_an_attempt_may_be_another_one() {
    let server = start(App::without_registry().controller("/there", Echo)).await;
    let uri = format!("ws://{}/there", server.addr);
    let client = Client::builder("ws://127.0.0.1:1/")
        .before_attempt(move |builder: ClientBuilder, _: Attempt| {
            let uri = uri.clone();
            async move { Ok::<_, io::Error>(builder.uri(uri)) }
        })
        .connect()
        .await
        .unwrap();
    assert_eq!(client.close(1000, "").await.unwrap().code(), 1000);
}
