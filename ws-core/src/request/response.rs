//! [`Response`] and [`Body`]: the response to a handshake. User bodies may panic; the panic is
//! caught here.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use serde::Serialize;

use crate::{caught::caught_call, error::BoxError};

/// The response to a handshake: status, headers and [`Body`].
pub type Response = http::Response<Body>;

/// A response body: bytes, or anything that implements [`http_body::Body`].
///
/// ```
/// use ws_core::{Response, handshake::Body};
///
/// let response = Response::new(Body::from("closed for today"));
/// assert_eq!(response.status(), 200);
/// ```
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    /// `None` after it was read.
    Whole(Option<Bytes>),
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// Creates an empty body.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// Creates a body from any other body, in a box.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Boxed(body.map_err(Into::into).boxed_unsync()))
    }

    /// Creates a JSON response. A value that cannot be serialised is logged, and the response is a
    /// 500 without a body.
    ///
    /// ```
    /// use ws_core::{StatusCode, handshake::Body};
    ///
    /// let response = Body::json(StatusCode::FORBIDDEN, &serde_json::json!({"code": 40301, "msg": "not a member"}));
    /// assert_eq!(response.headers()["content-type"], "application/json");
    /// ```
    pub fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
        Self::json_bytes(status, serde_json::to_vec(value))
    }

    pub(crate) fn json_bytes(status: StatusCode, json: serde_json::Result<Vec<u8>>) -> Response {
        let mut response = Response::new(Self::empty());
        match json {
            Ok(bytes) => {
                *response.status_mut() = status;
                *response.body_mut() = Self::from(bytes);
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Err(error) => {
                tracing::error!(%error, "a JSON body could not be serialised");
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
        response
    }

    /// The bytes, if the body is already complete in memory.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes) => bytes.as_ref(),
            Kind::Boxed(_) => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Boxed(boxed) => {
                caught_call(|| Pin::new(boxed).poll_frame(cx)).unwrap_or_else(|| {
                    tracing::error!("the body of a response panicked");
                    // The body is not polled again: an error ends the stream, and the client sees a
                    // truncated body.
                    Poll::Ready(Some(Err("the body panicked".into())))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Boxed(boxed) => boxed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Boxed(boxed) => boxed.size_hint(),
        }
    }
}
