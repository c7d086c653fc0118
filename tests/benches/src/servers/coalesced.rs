//! tokio-tungstenite tuned by hand: a read buffer of 8 KiB instead of 128 KiB, and one flush for
//! all answers that are ready instead of one for each. It shows what is possible without a toolkit.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::protocol::{Message, WebSocketConfig},
};

const READ_BUFFER_BYTES: usize = 8 << 10;

/// The most messages that are answered with one flush.
const BATCH: usize = 64;

pub(super) async fn echo() -> anyhow::Result<()> {
    super::serve_each(serve).await
}

async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let (mut output, input) = accept_async_with_config(stream, Some(config)).await?.split();
    let mut batches = input.ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        for message in batch {
            let message = message?;
            if matches!(message, Message::Text(_) | Message::Binary(_)) {
                output.feed(message).await?;
            }
        }
        output.flush().await?;
    }
    Ok(())
}
