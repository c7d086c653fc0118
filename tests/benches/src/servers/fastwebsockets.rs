//! fastwebsockets on hyper, as in its echo example. All settings are defaults.

use std::convert::Infallible;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(super) async fn echo() -> anyhow::Result<()> {
    super::serve_each(serve).await
}

async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    let http = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    Ok(http.with_upgrades().await?)
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let Ok((response, upgrade)) = upgrade::upgrade(&mut request) else {
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = hyper::StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    tokio::spawn(serve_echo(upgrade));
    Ok(response)
}

async fn serve_echo(upgrade: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgrade.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
