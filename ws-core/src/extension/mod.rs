//! The negotiation of permessage-deflate (RFC 7692 section 7.1): the header
//! `Sec-WebSocket-Extensions` of the handshake.
//!
//! [`list`] parses the header. [`offer`] chooses the server's answer to the offers of a client,
//! [`answer`] makes the offer of a client and checks the server's answer. The result is an
//! [`Agreement`], which the socket compresses by. [`memory`] limits the windows of all connections.
//!
//! This module must not compress, and it must not fail a handshake on the server's side: an offer
//! that is not accepted leaves the connection uncompressed.

#[cfg(feature = "client")]
mod answer;
mod list;
mod memory;
mod offer;

#[cfg(feature = "client")]
pub(crate) use self::answer::Offer;
pub(crate) use self::{
    memory::{Reserved, WindowMemory},
    offer::Terms,
};

const PERMESSAGE_DEFLATE: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The largest window, as the base-2 logarithm of its bytes.
pub(crate) const MOST_BITS: u8 = 15;
/// The smallest window that zlib can compress with. RFC 7692 also allows 8.
pub(crate) const LEAST_BITS: u8 = 9;

/// The agreed way in which one side compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direction {
    /// The base-2 logarithm of the window in bytes, from 8 to 15.
    pub(crate) bits: u8,
    /// Whether a message may refer to the messages before it.
    pub(crate) takes_over: bool,
}

impl Direction {
    /// The bytes that are kept between two messages.
    fn window(self) -> usize {
        if self.takes_over { 1 << self.bits } else { 0 }
    }
}

/// The result of a negotiation: how this side and the peer compress.
#[derive(Debug)]
pub(crate) struct Agreement {
    pub(crate) send: Direction,
    pub(crate) receive: Direction,
    /// The memory for both windows. A client has no limit.
    pub(crate) memory: Option<Reserved>,
}

/// The parameters of permessage-deflate in an offer or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<Bits>,
}

/// The value of `client_max_window_bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bits {
    /// Only the name, which an offer may have.
    Any,
    Of(u8),
}

impl Params {
    /// Reads the parameters of an element. `None` if one is unknown, repeated or has an invalid
    /// value.
    fn read(element: &list::Element<'_>) -> Option<Self> {
        let mut params = Self::default();
        for param in &element.params {
            let (name, value) = (param.name, param.value.as_deref());
            let is_new = match (name, value) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => {
                    !std::mem::replace(&mut params.server_no_context_takeover, true)
                }
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => {
                    !std::mem::replace(&mut params.client_no_context_takeover, true)
                }
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    params.server_max_window_bits.replace(bits(value)?).is_none()
                }
                (CLIENT_MAX_WINDOW_BITS, None) => params.client_max_window_bits.replace(Bits::Any).is_none(),
                (CLIENT_MAX_WINDOW_BITS, Some(value)) => {
                    params.client_max_window_bits.replace(Bits::Of(bits(value)?)).is_none()
                }
                _ => return None,
            };
            if !is_new {
                return None;
            }
        }
        Some(params)
    }

    /// Writes the element.
    fn write(&self) -> String {
        let mut text = PERMESSAGE_DEFLATE.to_owned();
        let mut add = |name: &str, value: Option<u8>| {
            text.push_str("; ");
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(&value.to_string());
            }
        };
        if self.server_no_context_takeover {
            add(SERVER_NO_CONTEXT_TAKEOVER, None);
        }
        if self.client_no_context_takeover {
            add(CLIENT_NO_CONTEXT_TAKEOVER, None);
        }
        if let Some(bits) = self.server_max_window_bits {
            add(SERVER_MAX_WINDOW_BITS, Some(bits));
        }
        match self.client_max_window_bits {
            None => {}
            Some(Bits::Any) => add(CLIENT_MAX_WINDOW_BITS, None),
            Some(Bits::Of(bits)) => add(CLIENT_MAX_WINDOW_BITS, Some(bits)),
        }
        text
    }
}

/// Reads a number of bits: 8 to 15, without a leading zero (RFC 7692 section 7.1.2).
fn bits(value: &str) -> Option<u8> {
    Some(match value {
        "8" => 8,
        "9" => 9,
        "10" => 10,
        "11" => 11,
        "12" => 12,
        "13" => 13,
        "14" => 14,
        "15" => 15,
        _ => return None,
    })
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;
    use crate::config::{Compression, CompressionMode};

    fn all() -> impl Iterator<Item = Compression> {
        let modes = [CompressionMode::PerMessage, CompressionMode::Window];
        modes.into_iter().flat_map(|mode| {
            (LEAST_BITS..=MOST_BITS).map(move |bits| Compression {
                mode,
                window: 1 << bits,
                ..Compression::default()
            })
        })
    }

    #[test]
    fn a_client_accepts_each_answer_and_both_sides_can_read_what_the_other_sends() {
        for (of_client, of_server) in all().flat_map(|one| all().map(move |other| (one.clone(), other))) {
            let offer = Offer::new(&of_client).unwrap();
            let terms = Terms::new(of_server.clone(), WindowMemory::new(1 << 20));
            let (server, answer) = terms.answer([offer.text().as_bytes()], None).unwrap();
            let client = offer.accept([answer.as_bytes()]).unwrap().unwrap();
            for (sender, receiver) in [(server.send, client.receive), (client.send, server.receive)] {
                assert!(sender.bits <= receiver.bits, "{answer} to {}", offer.text());
                assert!(!sender.takes_over || receiver.takes_over, "{answer} to {}", offer.text());
            }
            let is_window = |it: &Compression| it.mode == CompressionMode::Window;
            let has_windows = is_window(&of_client) && is_window(&of_server);
            assert_eq!(server.send.takes_over, has_windows, "{answer} to {}", offer.text());
        }
    }
}
