//! The smallest program: one controller that echoes messages.
//!
//! Run: cargo run -p ws-core --example echo --features testing             (talks to itself, then ends)
//! Or:  cargo run -p ws-core --example echo --features testing -- serve    (serves on 127.0.0.1:9502)

use ws_core::{prelude::*, testing::TestApp};

#[ws_controller(path = "/echo")]
struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(message)?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return Ok(App::new().run().await?);
    }
    let app = TestApp::start(App::new()).await;
    let mut client = app.connect("/echo").await?;
    client.send_text("hello").await;
    assert_eq!(client.next_text().await?, "hello");
    client.send_binary(vec![1, 2, 3]).await;
    assert_eq!(client.next().await?, Message::binary(vec![1, 2, 3]));
    Ok(())
}
