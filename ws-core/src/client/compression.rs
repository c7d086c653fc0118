//! The compression of a client: its offer, and the check of the server's answer (RFC 7692 section
//! 7.1).
//!
//! This file is pure: it must not do any I/O.

use http::{HeaderMap, HeaderValue, header};

use super::{error::ConnectError, settings::Settings};
#[cfg(feature = "deflate")]
use crate::extension::Offer;
use crate::socket::Deflate;

/// Returns the value of `Sec-WebSocket-Extensions`; `None` if compression is off.
#[cfg(feature = "deflate")]
pub(super) fn offer(settings: &Settings) -> Result<Option<HeaderValue>, ConnectError> {
    settings.compression.check().map_err(ConnectError::InvalidCompression)?;
    let offer = Offer::new(&settings.compression).map(|offer| offer.text());
    // The text is visible ASCII, so the conversion does not fail.
    Ok(offer.and_then(|offer| offer.try_into().ok()))
}

#[cfg(not(feature = "deflate"))]
pub(super) fn offer(_: &Settings) -> Result<Option<HeaderValue>, ConnectError> {
    Ok(None)
}

/// Checks the answer of the server, and returns the compression that it has chosen.
pub(super) fn accept(
    settings: &Settings,
    received: &HeaderMap,
) -> Result<Option<Box<Deflate>>, ConnectError> {
    let fault = |fault: &str| ConnectError::Protocol(fault.to_owned());
    #[cfg(feature = "deflate")]
    if let Some(offer) = Offer::new(&settings.compression) {
        let lines = received.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        let agreement = offer.accept(lines.map(HeaderValue::as_bytes)).map_err(fault)?;
        return Ok(agreement.map(|agreement| Box::new(Deflate::new(agreement, &settings.compression))));
    }
    #[cfg(not(feature = "deflate"))]
    let _ = settings;
    if received.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(fault("the 101 names an extension, but none was offered"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_offer_each_extension_is_a_fault() {
        let settings = Settings::new("ws://localhost/".to_owned());
        assert!(offer(&settings).unwrap().is_none());
        let mut received = HeaderMap::new();
        assert!(accept(&settings, &received).unwrap().is_none());
        for extension in ["permessage-deflate", "x", ""] {
            received.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(extension));
            let fault = accept(&settings, &received).unwrap_err();
            assert!(matches!(fault, ConnectError::Protocol(_)), "{extension}: {fault}");
        }
    }
}
