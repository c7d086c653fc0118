//! From settings to an open connection: TCP, TLS, the request, the answer. All of it under one deadline.
//!
//! hyper speaks the HTTP, except for the case of header names: the body of a refusal is read in
//! whatever way the server sends it, and a 101 gives the stream back together with what was read
//! behind it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::{
    connection::Client,
    error::ConnectError,
    request::{self, Prepared},
    settings::Settings,
    transport::{self, Transport},
    wire::ByteStream,
};
use crate::handshake::NamesWriter;

/// The most of a refusal's body that is kept.
const REFUSAL_BODY_BYTES: usize = 64 << 10;
/// The largest head of an answer, and the most headers in it.
const HEAD_BYTES: usize = 64 << 10;
const HEADERS: usize = 128;

/// Connects within the connect deadline.
pub(super) async fn connect(settings: &Settings) -> Result<Client, ConnectError> {
    let prepared = request::prepare(settings)?;
    let after = settings.connect_deadline;
    // Beyond what a clock can say there is no deadline worth the name.
    let deadline = Instant::now().checked_add(after).unwrap_or_else(far_away);
    let timeout = |_| ConnectError::Timeout { after };

    let transport = timeout_at(deadline, open(settings, &prepared)).await.map_err(timeout)??;
    let sent = prepared.request.headers().clone();
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(NamesWriter::of_request(transport)))
        .await
        .map_err(ConnectError::from_hyper)?;
    let mut line = Line { connection, ended: false };
    let response = timeout_at(deadline, line.along(sender.send_request(prepared.request)))
        .await
        .map_err(timeout)?
        .map_err(ConnectError::from_hyper)?;

    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let (head, body) = response.into_parts();
        let mut kept = BytesMut::new();
        // The status is known; a body that does not come in time is cut, not waited for.
        let _ = timeout_at(deadline, line.along(read_body(body, &mut kept))).await;
        return Err(ConnectError::Refused { status, headers: Box::new(head.headers), body: kept.freeze() });
    }
    let subprotocol = request::verify(&sent, status, response.headers())?;
    let headers = take_headers(response);
    let (transport, prefix) = timeout_at(deadline, line.upgraded()).await.map_err(timeout)??;
    let wire = ByteStream::new(transport, &prefix, settings).await;
    Ok(Client { wire, headers, subprotocol, send_deadline: settings.send_deadline })
}

/// Thirty years.
fn far_away() -> Instant {
    Instant::now() + std::time::Duration::from_secs(30 * 365 * 24 * 60 * 60)
}

async fn open(settings: &Settings, prepared: &Prepared) -> Result<Transport, ConnectError> {
    if !prepared.tls {
        return Ok(Box::new(transport::tcp(&prepared.host, prepared.port).await?));
    }
    #[cfg(feature = "client-tls")]
    {
        let stream = transport::tcp(&prepared.host, prepared.port).await?;
        super::tls::wrap(stream, &prepared.host, &settings.root_certificates).await
    }
    #[cfg(not(feature = "client-tls"))]
    {
        let _ = settings;
        Err(ConnectError::TlsNotEnabled)
    }
}

fn take_headers(response: Response<Incoming>) -> HeaderMap {
    response.into_parts().0.headers
}

/// Keeps the first [`REFUSAL_BODY_BYTES`].
async fn read_body(mut body: Incoming, kept: &mut BytesMut) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { return };
        let room = REFUSAL_BODY_BYTES - kept.len();
        kept.extend_from_slice(data.get(..room).unwrap_or(&data));
        if kept.len() == REFUSAL_BODY_BYTES {
            return;
        }
    }
}

/// The HTTP connection, driven in this task beside what waits for it.
struct Line {
    connection: http1::Connection<TokioIo<NamesWriter<Transport>>, Empty<Bytes>>,
    ended: bool,
}

impl Line {
    /// Drives the connection until the future is done. What goes wrong with the connection, the future is told.
    async fn along<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if !self.ended {
                self.ended = self.connection.poll_without_shutdown(cx).is_ready();
            }
            future.as_mut().poll(cx)
        })
        .await
    }

    /// The stream behind a 101, and what was read of it already.
    async fn upgraded(mut self) -> Result<(Transport, Bytes), ConnectError> {
        if !self.ended {
            poll_fn(|cx| {
                ready!(self.connection.poll_without_shutdown(cx)).map_err(ConnectError::from_hyper)?;
                Poll::Ready(Ok::<_, ConnectError>(()))
            })
            .await?;
        }
        let parts = self.connection.into_parts();
        Ok((parts.io.into_inner().into_inner(), parts.read_buf))
    }
}

#[cfg(all(test, not(feature = "client-tls")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wss_without_its_feature_names_it() {
        let error = connect(&Settings::new("wss://localhost:1/".to_owned())).await.unwrap_err();
        assert!(matches!(error, ConnectError::TlsNotEnabled), "{error:?}");
        assert!(error.to_string().contains("`client-tls`"), "{error}");
    }
}
