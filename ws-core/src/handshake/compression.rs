//! The negotiation of compression in the core step (RFC 7692 section 5).

use http::{HeaderMap, HeaderValue, header};

use super::MatchedRoute;
use crate::{request::Handshake, socket::Deflate};

/// The compression that the 101 agrees to.
pub(super) struct Negotiated {
    deflate: Box<Deflate>,
    /// The value of `Sec-WebSocket-Extensions`.
    answer: HeaderValue,
}

impl Negotiated {
    /// Returns the answer to the offers of a handshake; `None` leaves messages uncompressed.
    #[cfg(feature = "deflate")]
    pub(super) fn new(handshake: &Handshake, route: &MatchedRoute) -> Option<Self> {
        let terms = &route.compression;
        let offers = handshake.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        let user_agent = handshake.headers().get(header::USER_AGENT).map(HeaderValue::as_bytes);
        let (agreement, answer) = terms.answer(offers.iter().map(HeaderValue::as_bytes), user_agent)?;
        Some(Self {
            deflate: Box::new(Deflate::new(agreement, &terms.compression)),
            answer: answer.try_into().ok()?,
        })
    }

    #[cfg(not(feature = "deflate"))]
    pub(super) fn new(_: &Handshake, _: &MatchedRoute) -> Option<Self> {
        None
    }

    pub(super) fn answer(&self) -> &HeaderValue {
        &self.answer
    }

    /// Returns the compression if the response still has the header, which a middleware may have
    /// removed.
    pub(super) fn confirmed(self, response: &HeaderMap) -> Option<Box<Deflate>> {
        let mut values = response.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        let is_same = values.next() == Some(&self.answer) && values.next().is_none();
        is_same.then_some(self.deflate)
    }
}
