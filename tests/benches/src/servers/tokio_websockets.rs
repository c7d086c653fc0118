//! tokio-websockets: each message is sent before the next one is read, as in its echo example. All
//! settings are defaults.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_websockets::ServerBuilder;

pub(super) async fn echo() -> anyhow::Result<()> {
    super::serve_each(serve).await
}

async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    let (_, mut socket) = ServerBuilder::new().accept(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
