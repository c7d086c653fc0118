//! What a condition takes away is nowhere in what is generated, and what is left says so.

#![deny(warnings)]

use ws_core::{prelude::*, testing::TestApp};

#[ws_controller(path = "/conditional")]
struct Conditional;

#[ws_handlers]
impl Conditional {
    #[on_open]
    #[cfg(any())]
    async fn gone(&self, _: NoSuchType) -> NoSuchType {}

    #[cfg(all())]
    #[on_open]
    async fn open(&self, #[cfg(any())] gone: NoSuchType, #[cfg(all())] there: ConnectionId) {
        let _ = there;
    }

    #[on_event("say")]
    #[cfg(any())]
    async fn gone_as_well(&self, _: &Path<NoSuchType>) {}

    #[cfg(any())]
    #[on_text]
    async fn gone_text(&self) {}

    #[cfg(all())]
    #[on_text]
    async fn text(&self, text: &str) -> String {
        text.to_owned()
    }

    #[on_binary]
    #[cfg(any())]
    async fn gone_binary(&self) {}

    #[on_message]
    async fn rest(&self, message: Message) -> String {
        format!("{} bytes", message.len())
    }
}

#[ws_controller(path = "/gone")]
#[cfg(any())]
struct Gone;

#[ws_handlers]
#[cfg(any())]
impl Gone {
    #[on_open]
    async fn open(&self) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = TestApp::start(App::new()).await;
    let mut client = app.connect("/conditional").await.unwrap();
    // Without its events the block reads no envelopes.
    let envelope = r#"{"event":"say"}"#;
    client.send_text(envelope).await;
    assert_eq!(client.next_text().await.unwrap(), envelope);
    client.send_binary(vec![1, 2]).await;
    assert_eq!(client.next_text().await.unwrap(), "2 bytes");
}
