//! [`Offer`]: the offer of a client, and the check of the server's answer.

use super::{
    Agreement, Bits, Direction, LEAST_BITS, MOST_BITS, PERMESSAGE_DEFLATE, Params,
    list::{Element, elements},
};
use crate::config::{Compression, CompressionMode};

/// The offer of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    params: Params,
    /// The largest window of this side, as bits.
    bits: u8,
}

impl Offer {
    /// Returns the offer for these settings; `None` if compression is off.
    pub(crate) fn new(compression: &Compression) -> Option<Self> {
        let bits = match compression.mode {
            CompressionMode::Window => compression.window_bits(),
            _ => MOST_BITS,
        };
        let params = match compression.mode {
            CompressionMode::Off => return None,
            CompressionMode::PerMessage => Params {
                server_no_context_takeover: true,
                client_no_context_takeover: true,
                ..Params::default()
            },
            CompressionMode::Window => Params {
                server_max_window_bits: (bits < MOST_BITS).then_some(bits),
                client_max_window_bits: Some(Bits::Any),
                ..Params::default()
            },
        };
        Some(Self { params, bits })
    }

    /// The value of the header.
    pub(crate) fn text(&self) -> String {
        self.params.write()
    }

    /// Checks the answer of the server. Without a header in it, there is no compression.
    ///
    /// # Errors
    /// The reason why the answer is not acceptable (RFC 7692 section 7.1).
    pub(crate) fn accept<'a>(
        &self,
        answer: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Agreement>, &'static str> {
        let mut elements = elements(answer);
        let Some(first) = elements.next() else { return Ok(None) };
        let first = first.map_err(|_| "the header `sec-websocket-extensions` is malformed")?;
        if !first.name.eq_ignore_ascii_case(PERMESSAGE_DEFLATE) {
            return Err("the server chose an extension that was not offered");
        }
        if elements.next().is_some() {
            return Err("the server chose more than one extension");
        }
        self.agree(&first).map(Some)
    }

    fn agree(&self, answer: &Element<'_>) -> Result<Agreement, &'static str> {
        let answer = Params::read(answer).ok_or("the server's answer has an invalid parameter")?;
        let offer = &self.params;
        if offer.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err("the server did not accept `server_no_context_takeover`");
        }
        let of_server = answer.server_max_window_bits.unwrap_or(MOST_BITS);
        // Without a window to keep, this side supports every size. Some servers ignore the offered
        // one, and compress each message by itself.
        if !answer.server_no_context_takeover
            && offer.server_max_window_bits.is_some_and(|offered| of_server > offered)
        {
            return Err("the server did not accept `server_max_window_bits`");
        }
        let of_client = match (answer.client_max_window_bits, offer.client_max_window_bits) {
            (None, _) => MOST_BITS,
            (Some(Bits::Of(bits)), Some(_)) => bits,
            (Some(Bits::Of(_)), None) => {
                return Err("the server's answer has `client_max_window_bits`, which was not offered");
            }
            (Some(Bits::Any), _) => {
                return Err("`client_max_window_bits` in the server's answer has no value");
            }
        };
        Ok(Agreement {
            send: Direction {
                // zlib cannot compress with fewer bits, so nothing is compressed then.
                bits: if of_client < LEAST_BITS { of_client } else { of_client.min(self.bits) },
                takes_over: !answer.client_no_context_takeover && !offer.client_no_context_takeover,
            },
            receive: Direction { bits: of_server, takes_over: !answer.server_no_context_takeover },
            memory: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(compression: &Compression, answer: &str) -> Result<Option<[(u8, bool); 2]>, &'static str> {
        let lines: Vec<&[u8]> = if answer.is_empty() { Vec::new() } else { vec![answer.as_bytes()] };
        let agreement = Offer::new(compression).unwrap().accept(lines)?;
        Ok(agreement.map(|it| [it.send, it.receive].map(|way| (way.bits, way.takes_over))))
    }

    fn window(bytes: usize) -> Compression {
        Compression { window: bytes, ..Compression::window() }
    }

    #[test]
    fn the_offer_follows_the_settings() {
        for (compression, expected) in [
            (
                Compression::per_message(),
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ),
            (window(32 << 10), "permessage-deflate; client_max_window_bits"),
            (window(4 << 10), "permessage-deflate; server_max_window_bits=12; client_max_window_bits"),
        ] {
            assert_eq!(Offer::new(&compression).unwrap().text(), expected);
        }
        assert!(Offer::new(&Compression::default()).is_none());
    }

    #[test]
    fn an_answer_that_fits_the_offer_is_accepted() {
        let both_no = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let largest = window(32 << 10);
        for (compression, answer, expected) in [
            (&largest, "", None),
            (&largest, "permessage-deflate", Some([(15, true), (15, true)])),
            (&largest, both_no, Some([(15, false), (15, false)])),
            (&largest, "permessage-deflate; client_max_window_bits=10", Some([(10, true), (15, true)])),
            (&largest, "permessage-deflate; client_max_window_bits=8", Some([(8, true), (15, true)])),
            (&largest, "permessage-deflate; server_max_window_bits=\"8\"", Some([(15, true), (8, true)])),
            (&window(4096), "permessage-deflate; server_max_window_bits=12", Some([(12, true), (12, true)])),
            // A server that ignores the parameters of the offer.
            (&window(4096), both_no, Some([(12, false), (15, false)])),
            (&Compression::per_message(), both_no, Some([(15, false), (15, false)])),
            (
                &Compression::per_message(),
                "permessage-deflate; server_no_context_takeover",
                Some([(15, false), (15, false)]),
            ),
        ] {
            assert_eq!(accept(compression, answer), Ok(expected), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_was_not_asked_for_fails() {
        let (largest, per_message) = (window(32 << 10), Compression::per_message());
        for (compression, answer, part) in [
            (&largest, "x-webkit-deflate-frame", "not offered"),
            (&largest, "permessage-deflate, permessage-deflate", "more than one"),
            (&largest, "permessage-deflate; x", "invalid parameter"),
            (&largest, "permessage-deflate; server_max_window_bits", "invalid parameter"),
            (&largest, "permessage-deflate; server_max_window_bits=16", "invalid parameter"),
            (&largest, "permessage-deflate; client_max_window_bits=7", "invalid parameter"),
            (&largest, "permessage-deflate; client_max_window_bits", "has no value"),
            (
                &largest,
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                "invalid parameter",
            ),
            (&largest, "permessage-deflate;", "malformed"),
            (&window(4096), "permessage-deflate", "server_max_window_bits"),
            (&window(4096), "permessage-deflate; server_max_window_bits=13", "server_max_window_bits"),
            (&per_message, "permessage-deflate", "server_no_context_takeover"),
            (
                &per_message,
                "permessage-deflate; server_no_context_takeover; client_max_window_bits=9",
                "not offered",
            ),
        ] {
            let fault = accept(compression, answer).unwrap_err();
            assert!(fault.contains(part), "{answer}: {fault}");
        }
    }
}
