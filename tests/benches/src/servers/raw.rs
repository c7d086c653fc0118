//! TCP echo: all bytes are written back, with one buffer for each connection.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Large enough for the messages of most cases in one read.
const BUFFER_BYTES: usize = 64 << 10;

pub(super) async fn echo() -> anyhow::Result<()> {
    super::serve_each(serve).await
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
