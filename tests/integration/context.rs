//! P25: the methods of a connection's context, also on another connection.

use tokio::sync::mpsc;
use ws_core::{
    App, Connection, ConnectionId, Controller, Handshake, Message, Next, Response, Result, Route,
    error::OrStatus as _, testing::TestApp,
};

#[derive(Clone, Debug, PartialEq)]
struct Cart(Vec<String>);

#[derive(Clone, Debug, PartialEq)]
struct Token(String);

/// `add x`, `show`, `take <id>`, `drop`: each is answered with the cart.
struct Shop(mpsc::UnboundedSender<Option<Cart>>);

impl Controller for Shop {
    async fn on_open(&self, conn: &Connection) -> Result {
        let token = conn.context().get::<Token>().map_or_else(String::new, |token| token.0);
        Ok(conn.push(format!("{} {token}", conn.id()))?)
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let context = conn.context();
        match message.as_text().unwrap_or_default().split_once(' ').unwrap_or_default() {
            ("add", item) => {
                context.get_or_insert_with(|| Cart(Vec::new()));
                context.update(|cart: &mut Cart| cart.0.push(item.to_owned()));
            }
            ("take", id) => {
                let other = conn.hub().get_local(id.parse::<ConnectionId>()?).or_status(404, "gone");
                let copied = other.is_ok_and(|other| context.copy_from::<Cart>(other.context()));
                conn.push(format!("copied {copied}"))?;
            }
            ("drop", _) => drop(context.remove::<Cart>()),
            _ => {}
        }
        Ok(conn.push(format!("{} {:?}", context.has::<Cart>(), context.get::<Cart>().map(|cart| cart.0)))?)
    }

    async fn on_close(&self, conn: &Connection, _: ws_core::CloseReason) -> Result {
        Ok(self.0.send(conn.context().get())?)
    }
}

async fn keep_token(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let token = handshake.query_param("token").map(|token| Token(token.into_owned()));
    if let Some(token) = token {
        handshake.context_mut().set(token);
    }
    next.run(handshake).await
}

#[tokio::test]
async fn p25_context_methods_work_on_this_and_on_another_connection() {
    let (carts, mut closed) = mpsc::unbounded_channel();
    let route = Route::new("/shop", Shop(carts)).middleware(keep_token);
    let app = TestApp::start(App::without_registry().route(route)).await;

    let mut first = app.connect("/shop?token=t%201").await.unwrap();
    let hello = first.next_text().await.unwrap();
    let (id, token) = hello.split_once(' ').unwrap();
    assert_eq!(token, "t 1", "set by a middleware, read in on_open");
    for (say, answer) in [
        ("show ", "false None"),
        ("add tea", r#"true Some(["tea"])"#),
        ("add cups", r#"true Some(["tea", "cups"])"#),
    ] {
        first.send_text(say).await;
        assert_eq!(first.next_text().await.unwrap(), answer, "{say}");
    }

    let mut second = app.connect("/shop").await.unwrap();
    assert!(
        second.next_text().await.unwrap().ends_with(' '),
        "the context of another connection does not leak"
    );
    second.send_text(format!("take {id}")).await;
    assert_eq!(second.next_text().await.unwrap(), "copied true");
    assert_eq!(second.next_text().await.unwrap(), r#"true Some(["tea", "cups"])"#);
    second.send_text("drop it").await;
    assert_eq!(second.next_text().await.unwrap(), "false None");

    // A copy. The first connection still has its own, also in on_close; after that it is released.
    first.close(1000, "").await;
    assert_eq!(closed.recv().await.unwrap(), Some(Cart(vec!["tea".into(), "cups".into()])));
    first.expect_close(1000).await;
    while app.running().hub().count_local() > 1 {
        tokio::task::yield_now().await;
    }
    second.send_text(format!("take {id}")).await;
    assert_eq!(second.next_text().await.unwrap(), "copied false");
}

/// A value that holds its own connection, and the sender that is dropped with it.
#[derive(Clone)]
#[expect(dead_code, reason = "the values are only held")]
struct Own(Connection, mpsc::Sender<()>);

struct KeepsItself(mpsc::Sender<()>);

impl Controller for KeepsItself {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.context().set(Own(conn.clone(), self.0.clone()));
        Ok(())
    }

    async fn on_close(&self, conn: &Connection, _: ws_core::CloseReason) -> Result {
        assert!(conn.context().has::<Own>(), "still readable");
        Ok(self.0.send(()).await?)
    }
}

#[tokio::test(start_paused = true)]
async fn p22_a_context_is_released_after_on_close_even_if_it_holds_its_connection() {
    let (sender, mut held) = mpsc::channel(1);
    let app = TestApp::start(App::without_registry().controller("/", KeepsItself(sender))).await;
    let mut client = app.connect("/").await.unwrap();
    client.close(1000, "").await;
    assert_eq!(held.recv().await, Some(()));
    app.shutdown().await;
    let gone = tokio::time::timeout(std::time::Duration::from_secs(1), held.recv()).await;
    assert_eq!(gone, Ok(None), "the value in the context is dropped");
}
