//! From settings to an open connection: TCP, TLS, the request, the response, all under one
//! deadline.
//!
//! hyper speaks HTTP here: it reads the body of a refusal however the server sends it, and it gives
//! back the stream of a 101 with the bytes that it read behind the head. The case of header names
//! is the one thing that [`NamesWriter`] adds. This file must not read or write a frame, and it
//! never tries twice.

use std::{
    borrow::Cow,
    future::{Future, poll_fn},
    io,
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
    attempt::Attempt,
    compression,
    connection::Client,
    error::ConnectError,
    request::{self, Prepared},
    settings::Settings,
    transport::{self, Io, Transport},
    wire::Wire,
};
use crate::handshake::NamesWriter;

/// The part of a refusal's body that is kept.
const REFUSAL_BODY_BYTES: usize = 64 << 10;
/// The largest head of a response, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// The maximum number of headers in it.
const HEADERS: usize = 128;

/// Connects by TCP, within the connect deadline.
pub(super) async fn connect(settings: &Settings, attempt: Attempt) -> Result<Client, ConnectError> {
    let settings = &*changed(settings, attempt).await?;
    let prepared = request::prepare(settings)?;
    let stream = transport::tcp(prepared.host.clone(), prepared.port);
    handshake(settings, prepared, stream).await
}

/// Does the handshakes over a stream that is already connected, within the connect deadline.
pub(super) async fn connect_over(settings: &Settings, stream: impl Io) -> Result<Client, ConnectError> {
    let settings = &*changed(settings, Attempt::first()).await?;
    handshake(settings, request::prepare(settings)?, async { Ok(stream) }).await
}

/// Calls the user's function that changes the settings, if there is one.
async fn changed(settings: &Settings, attempt: Attempt) -> Result<Cow<'_, Settings>, ConnectError> {
    let Some(change) = &settings.before_attempt else { return Ok(Cow::Borrowed(settings)) };
    let after = settings.connect_deadline;
    let changed = tokio::time::timeout(after, change.change(settings.clone(), attempt)).await;
    let late = || ConnectError::NotPrepared(format!("`before_attempt` took longer than {after:?}").into());
    // The user's function returns a builder, which does not have `confirms`.
    Ok(Cow::Owned(Settings { confirms: settings.confirms, ..changed.map_err(|_| late())?? }))
}

async fn handshake(
    settings: &Settings,
    prepared: Prepared,
    stream: impl Future<Output = io::Result<impl Io>>,
) -> Result<Client, ConnectError> {
    let after = settings.connect_deadline;
    // `Instant` cannot represent every deadline that a `Duration` can express.
    let deadline = Instant::now().checked_add(after).unwrap_or_else(far_away);
    let timeout = |_| ConnectError::Timeout { after };

    let transport = timeout_at(deadline, open(settings, &prepared, stream)).await.map_err(timeout)??;
    let sent = prepared.request.headers().clone();
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(NamesWriter::of_request(transport)))
        .await
        .map_err(ConnectError::from_hyper)?;
    let mut http = HttpConnection { connection, is_done: false };
    let response = timeout_at(deadline, http.drive(sender.send_request(prepared.request)))
        .await
        .map_err(timeout)?
        .map_err(ConnectError::from_hyper)?;

    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let (head, body) = response.into_parts();
        let mut kept = BytesMut::new();
        // The status is known, so a late body is cut and is not an error.
        let _ = timeout_at(deadline, http.drive(read_body(body, &mut kept))).await;
        return Err(ConnectError::Refused { status, headers: Box::new(head.headers), body: kept.freeze() });
    }
    let subprotocol = request::verify(&sent, status, response.headers())?;
    let deflate = compression::accept(settings, response.headers())?;
    let headers = take_headers(response);
    let (transport, prefix) = timeout_at(deadline, http.into_upgraded()).await.map_err(timeout)??;
    let wire = Wire::new(transport, &prefix, deflate, settings);
    Ok(Client {
        wire,
        headers,
        subprotocol,
        send_deadline: settings.send_deadline,
        call_deadline: settings.call_deadline,
    })
}

/// Returns an instant in thirty years.
fn far_away() -> Instant {
    Instant::now() + std::time::Duration::from_secs(30 * 365 * 24 * 60 * 60)
}

/// Awaits the stream, and does the TLS handshake if the URI says so.
async fn open(
    settings: &Settings,
    prepared: &Prepared,
    stream: impl Future<Output = io::Result<impl Io>>,
) -> Result<Transport, ConnectError> {
    if !prepared.tls {
        return Ok(Box::new(stream.await?));
    }
    #[cfg(feature = "client-tls")]
    {
        super::tls::wrap(stream.await?, &prepared.host, &settings.tls).await
    }
    #[cfg(not(feature = "client-tls"))]
    {
        let _ = (settings, stream);
        Err(ConnectError::TlsNotEnabled)
    }
}

fn take_headers(response: Response<Incoming>) -> HeaderMap {
    response.into_parts().0.headers
}

/// Reads up to [`REFUSAL_BODY_BYTES`] and ignores the rest.
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

/// The HTTP connection. It has no task: it makes progress while [`Self::drive`] is awaited.
struct HttpConnection {
    connection: http1::Connection<TokioIo<NamesWriter<Transport>>, Empty<Bytes>>,
    is_done: bool,
}

impl HttpConnection {
    /// Drives the connection until the future is done. The future reports an error of the
    /// connection.
    async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if !self.is_done {
                self.is_done = self.connection.poll_without_shutdown(cx).is_ready();
            }
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Returns the stream of a 101 and the bytes that were read behind its head.
    async fn into_upgraded(mut self) -> Result<(Transport, Bytes), ConnectError> {
        if !self.is_done {
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
        let error =
            connect(&Settings::new("wss://localhost:1/".to_owned()), Attempt::first()).await.unwrap_err();
        assert!(matches!(error, ConnectError::TlsNotEnabled), "{error:?}");
        assert!(error.to_string().contains("`client-tls`"), "{error}");
    }
}
