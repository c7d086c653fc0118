//! The smallest program: one controller that echoes messages.
//!
//! Run:  cargo run -p ws-core --example echo     (serves on 127.0.0.1:9502 until Ctrl-C)
//! Test: cargo test -p ws-core --example echo

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use ws_core::prelude::*;

#[ws_controller(path = "/echo")]
struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(message)?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let app = App::new().on_start(async |app| {
        if let Some(address) = app.local_addr("ws") {
            println!("serving; connect with: python3 -m websockets ws://{address}/echo");
        }
    });
    app.run().await
}

#[cfg(test)]
mod tests {
    use ws_core::{
        prelude::*,
        testing::{TestApp, TestError},
    };

    #[tokio::test]
    async fn text_and_binary_come_back() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut client = app.connect("/echo").await?;
        client.send_text("hello").await;
        assert_eq!(client.next_text().await?, "hello");
        client.send_binary(vec![1, 2, 3]).await;
        assert_eq!(client.next().await?, Message::binary(vec![1, 2, 3]));
        Ok(())
    }
}
