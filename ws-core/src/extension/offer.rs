//! [`Terms`]: the server's answer to the offers of a client.

use super::{
    Agreement, Bits, Direction, LEAST_BITS, MOST_BITS, PERMESSAGE_DEFLATE, Params, WindowMemory,
    list::elements,
};
use crate::config::{Compression, CompressionMode};

/// The compression of a route.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) compression: Compression,
    memory: WindowMemory,
}

impl Terms {
    pub(crate) fn new(compression: Compression, memory: WindowMemory) -> Self {
        Self { compression, memory }
    }

    /// Returns the answer to the first acceptable offer and its text. `None` leaves the connection
    /// uncompressed.
    ///
    /// `offers` are the lines of the header.
    pub(crate) fn answer<'a>(
        &self,
        offers: impl IntoIterator<Item = &'a [u8]>,
        user_agent: Option<&[u8]>,
    ) -> Option<(Agreement, String)> {
        if self.compression.mode == CompressionMode::Off || user_agent.is_some_and(is_broken_safari) {
            return None;
        }
        let (params, memory) = elements(offers)
            .map_while(Result::ok)
            .filter(|element| element.name.eq_ignore_ascii_case(PERMESSAGE_DEFLATE))
            .filter_map(|element| Params::read(&element))
            .find_map(|offer| self.accept(&offer))?;
        let [send, receive] = directions(&params);
        Some((Agreement { send, receive, memory }, params.write()))
    }

    /// Returns the parameters of the answer to an offer, or `None` to decline it.
    fn accept(&self, offer: &Params) -> Option<(Params, Option<super::Reserved>)> {
        // zlib does not compress with a window of 256 bytes.
        if offer.server_max_window_bits.is_some_and(|bits| bits < LEAST_BITS) {
            return None;
        }
        if self.compression.mode == CompressionMode::Window {
            let answer = self.with_windows(offer);
            let windows = directions(&answer).map(Direction::window).iter().sum();
            if let Some(memory) = self.memory.reserve(windows) {
                return Some((answer, Some(memory)));
            }
        }
        let answer = Params {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: offer.server_max_window_bits,
            client_max_window_bits: None,
        };
        Some((answer, None))
    }

    fn with_windows(&self, offer: &Params) -> Params {
        let ours = self.compression.window_bits();
        let of_server = offer.server_max_window_bits.or((ours < MOST_BITS).then_some(ours));
        let of_client = offer.client_max_window_bits.map(|bits| match bits {
            Bits::Any => ours,
            Bits::Of(bits) => bits.min(ours),
        });
        // A client that cannot limit its window would need 32 KiB here.
        let is_too_large = of_client.is_none() && ours < MOST_BITS;
        Params {
            server_no_context_takeover: offer.server_no_context_takeover,
            client_no_context_takeover: offer.client_no_context_takeover || is_too_large,
            server_max_window_bits: of_server.map(|bits| bits.min(ours)),
            client_max_window_bits: of_client.map(Bits::Of),
        }
    }
}

/// Returns how the server and the client compress, by the server's answer.
fn directions(answer: &Params) -> [Direction; 2] {
    let of_client = match answer.client_max_window_bits {
        Some(Bits::Of(bits)) => bits,
        _ => MOST_BITS,
    };
    [
        Direction {
            bits: answer.server_max_window_bits.unwrap_or(MOST_BITS),
            takes_over: !answer.server_no_context_takeover,
        },
        Direction { bits: of_client, takes_over: !answer.client_no_context_takeover },
    ]
}

/// Whether this is Safari 15.0 to 15.3, which sends broken messages after it has negotiated
/// compression.
fn is_broken_safari(user_agent: &[u8]) -> bool {
    let agent = String::from_utf8_lossy(user_agent);
    let Some((_, version)) = agent.split_once("Version/15.") else { return false };
    let minor = version.split(|it: char| !it.is_ascii_digit()).next().unwrap_or_default();
    matches!(minor, "0" | "1" | "2" | "3") && agent.contains("Safari/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(mode: CompressionMode, window: usize, memory: usize) -> Terms {
        Terms::new(Compression { mode, window, ..Compression::default() }, WindowMemory::new(memory))
    }

    fn answer(terms: &Terms, offer: &str) -> Option<String> {
        terms.answer([offer.as_bytes()], None).map(|(_, text)| {
            let params = text.strip_prefix("permessage-deflate").unwrap();
            params.replace("_no_context_takeover", "_no").replace("_max_window_bits", "_bits")
        })
    }

    #[test]
    fn the_answer_to_each_offer_follows_the_mode() {
        let per_message = terms(CompressionMode::PerMessage, 4 << 10, 0);
        let window = terms(CompressionMode::Window, 4 << 10, 1 << 20);
        let largest = terms(CompressionMode::Window, 32 << 10, 1 << 20);
        let both = "; server_no; client_no";
        for (offer, by_message, by_window, by_largest) in [
            ("", both, "; client_no; server_bits=12", ""),
            ("; server_no_context_takeover", both, "; server_no; client_no; server_bits=12", "; server_no"),
            ("; client_no_context_takeover", both, "; client_no; server_bits=12", "; client_no"),
            (
                "; server_max_window_bits=10",
                "; server_no; client_no; server_bits=10",
                "; client_no; server_bits=10",
                "; server_bits=10",
            ),
            (
                "; server_max_window_bits=15",
                "; server_no; client_no; server_bits=15",
                "; client_no; server_bits=12",
                "; server_bits=15",
            ),
            ("; client_max_window_bits", both, "; server_bits=12; client_bits=12", "; client_bits=15"),
            ("; client_max_window_bits=9", both, "; server_bits=12; client_bits=9", "; client_bits=9"),
            ("; client_max_window_bits=8", both, "; server_bits=12; client_bits=8", "; client_bits=8"),
            ("; client_max_window_bits=14", both, "; server_bits=12; client_bits=12", "; client_bits=14"),
            (
                "; client_no_context_takeover; client_max_window_bits; server_max_window_bits=\"9\"",
                "; server_no; client_no; server_bits=9",
                "; client_no; server_bits=9; client_bits=12",
                "; client_no; server_bits=9; client_bits=15",
            ),
        ] {
            let offer = format!("permessage-deflate{offer}");
            for (terms, expected) in
                [(&per_message, by_message), (&window, by_window), (&largest, by_largest)]
            {
                assert_eq!(answer(terms, &offer).as_deref(), Some(expected), "{offer} for {terms:?}");
            }
        }
    }

    #[test]
    fn an_offer_that_is_not_acceptable_is_declined_and_the_next_one_is_taken() {
        for declined in [
            "x-webkit-deflate-frame",
            "permessage-bzip2; level=1",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=010",
            "permessage-deflate; client_max_window_bits=\" 9\"",
        ] {
            for mode in [CompressionMode::PerMessage, CompressionMode::Window] {
                let terms = terms(mode, 4 << 10, 1 << 20);
                assert_eq!(answer(&terms, declined), None, "{declined}");
                // An element with an invalid quoted value ends the list.
                let follows = !declined.contains("\" 9");
                let fallback = format!("{declined}, permessage-deflate; server_max_window_bits=11");
                let chosen = answer(&terms, &fallback);
                assert_eq!(chosen.is_some_and(|it| it.contains("server_bits=11")), follows, "{fallback}");
            }
        }
        let terms = terms(CompressionMode::PerMessage, 4 << 10, 0);
        assert_eq!(answer(&terms, ""), None);
        let lines = [&b"x-webkit-deflate-frame"[..], b"permessage-deflate; server_max_window_bits=9"];
        assert!(terms.answer(lines, None).is_some(), "the second line counts");
    }

    #[test]
    fn without_a_mode_nothing_is_negotiated() {
        assert_eq!(answer(&terms(CompressionMode::Off, 4 << 10, 1 << 20), "permessage-deflate"), None);
    }

    #[test]
    fn windows_are_limited_and_a_connection_beyond_the_limit_has_none() {
        let terms = terms(CompressionMode::Window, 4 << 10, 20 << 10);
        let offer = || terms.answer([&b"permessage-deflate; client_max_window_bits"[..]], None).unwrap();
        let (first, second) = (offer(), offer());
        for (agreement, _) in [&first, &second] {
            assert!(agreement.send.takes_over && agreement.receive.takes_over);
        }
        let (third, text) = offer();
        assert!(!third.send.takes_over && !third.receive.takes_over, "{text}");
        assert!(text.ends_with("server_no_context_takeover; client_no_context_takeover"));
        drop(first);
        assert!(offer().0.send.takes_over, "memory that was given back is used again");
    }

    #[test]
    fn safari_15_0_to_15_3_stays_uncompressed() {
        let terms = terms(CompressionMode::PerMessage, 4 << 10, 0);
        let agent = |version: &str| {
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/{version} Safari/605.1.15"
            )
        };
        for (version, expected) in [
            ("15.0", false),
            ("15.3", false),
            ("15.2.1", false),
            ("15.4", true),
            ("15.30", true),
            ("14.1", true),
            ("115.0", true),
            ("16.0", true),
        ] {
            let answered = terms.answer([&b"permessage-deflate"[..]], Some(agent(version).as_bytes()));
            assert_eq!(answered.is_some(), expected, "{version}");
        }
        assert!(terms.answer([&b"permessage-deflate"[..]], Some(b"\xff Version/15.1")).is_some());
    }
}
