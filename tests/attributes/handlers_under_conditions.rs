//! Methods under a false condition are absent from generated code, and the remaining ones are
//! registered.

#![deny(warnings)]

use ws_core::{prelude::*, testing::TestApp};

#[ws_controller(path = "/conditional")]
struct Conditional;

#[ws_handlers]
impl Conditional {
    #[on_open]
    #[cfg(false)]
    async fn gone(&self, _: NoSuchType) -> NoSuchType {}

    #[cfg(true)]
    #[on_open]
    async fn open(&self, #[cfg(false)] gone: NoSuchType, #[cfg(true)] there: ConnectionId) {
        let _ = there;
    }

    #[on_event("say")]
    #[cfg(false)]
    async fn gone_as_well(&self, _: &Path<NoSuchType>, _: NoSuchType) {}

    #[cfg(false)]
    #[on_text]
    async fn gone_text(&self) {}

    #[cfg(true)]
    #[on_text]
    async fn text(&self, text: &str) -> String {
        text.to_owned()
    }

    #[on_binary]
    #[cfg(false)]
    async fn gone_binary(&self) {}

    #[on_message]
    async fn rest(&self, message: Message) -> String {
        format!("{} bytes", message.len())
    }
}

#[ws_controller(path = "/gone")]
#[cfg(false)]
struct Gone;

#[ws_handlers]
#[cfg(false)]
impl Gone {
    #[on_open]
    async fn open(&self) {}
}

#[tokio::test]
async fn a_method_under_a_false_condition_is_absent() {
    let app = TestApp::start(App::without_registry().controller("/conditional", Conditional)).await;
    let routes = App::new().routes();
    assert!(routes.iter().any(|route| route.path == "/conditional"), "{routes}");
    assert!(!routes.iter().any(|route| route.path == "/gone"), "{routes}");
    let mut client = app.connect("/conditional").await.unwrap();
    // Without its events the block reads no envelopes.
    let envelope = r#"{"event":"say"}"#;
    client.send_text(envelope).await;
    assert_eq!(client.next_text().await.unwrap(), envelope);
    client.send_binary(vec![1, 2]).await;
    assert_eq!(client.next_text().await.unwrap(), "2 bytes");
}
