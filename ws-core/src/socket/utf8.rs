//! The validation of text messages (RFC 6455 section 8.1): [`text`] for a complete text,
//! [`TextPieces`] for one that arrives in pieces. Each byte is validated once.

use crate::wire::{MessageError, Text};

/// The size in bytes from which vector instructions are faster.
const LONG_BYTES: usize = 1 << 10;

/// Returns these bytes as text.
#[inline]
pub(super) fn text(bytes: &[u8]) -> Result<&str, MessageError> {
    if bytes.len() < LONG_BYTES {
        std::str::from_utf8(bytes).map_err(|_| MessageError::Utf8)
    } else {
        simdutf8::basic::from_utf8(bytes).map_err(|_| MessageError::Utf8)
    }
}

/// The received part of a text.
#[derive(Debug, Default)]
pub(super) struct TextPieces {
    /// The complete characters.
    text: String,
    /// The bytes of an incomplete character.
    tail: Tail,
}

/// An incomplete character, of at most three bytes.
#[derive(Debug, Default)]
struct Tail {
    bytes: [u8; 4],
    len: usize,
}

impl Tail {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
        }
        self.len += 1;
    }

    /// Returns the character if it is complete now.
    fn character(&self) -> Result<Option<&str>, MessageError> {
        match std::str::from_utf8(self.as_slice()) {
            Ok(character) => Ok(Some(character)),
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(MessageError::Utf8),
        }
    }
}

impl TextPieces {
    /// The number of bytes that have arrived.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.tail.len
    }

    /// The number of bytes that fit without an allocation.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Makes room for this number of bytes beyond [`len`](Self::len).
    pub(super) fn reserve(&mut self, additional: usize) {
        self.text.reserve_exact(self.tail.len + additional);
    }

    /// Appends a piece. Fails as soon as no further bytes can make the text valid UTF-8.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), MessageError> {
        while self.tail.len > 0
            && let Some((&byte, rest)) = piece.split_first()
        {
            self.tail.push(byte);
            piece = rest;
            if let Some(character) = self.tail.character()? {
                self.text.push_str(character);
                self.tail = Tail::default();
            }
        }
        let (complete, begun) = piece.split_at(piece.len() - begun_character(piece));
        self.text.push_str(text(complete)?);
        for &byte in begun {
            self.tail.push(byte);
        }
        self.tail.character().map(drop)
    }

    /// Returns the complete text.
    pub(super) fn finish(mut self) -> Result<Text, MessageError> {
        if self.tail.len > 0 {
            return Err(MessageError::Utf8);
        }
        self.text.shrink_to_fit();
        Ok(self.text.into())
    }
}

/// Returns the number of bytes at the end that may be an incomplete character.
fn begun_character(bytes: &[u8]) -> usize {
    for (behind, byte) in bytes.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..0xc0 => continue,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            _ => 1,
        };
        return if behind + 1 < length { behind + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of bytes after which the text is refused, or the text.
    fn read(bytes: &[u8], piece: usize) -> Result<String, usize> {
        let mut pieces = TextPieces::default();
        for (at, piece_of) in bytes.chunks(piece).enumerate() {
            pieces.push(piece_of).map_err(|_| at * piece + piece_of.len())?;
            assert_eq!(pieces.len(), at * piece + piece_of.len());
        }
        pieces.finish().map(Into::into).map_err(|_| bytes.len())
    }

    #[test]
    fn text_is_the_same_however_it_is_cut() {
        let text = "κόσμε 𝄞 €uro \u{10ffff}\u{0}";
        for text in [text.to_owned(), text.repeat(500)] {
            for piece in (1..30).chain([1023, 1024, 1025, text.len()]) {
                assert_eq!(read(text.as_bytes(), piece).as_deref(), Ok(&*text), "pieces of {piece}");
            }
        }
    }

    #[test]
    fn text_is_refused_with_the_first_byte_that_makes_it_invalid() {
        let cases: [(&[u8], usize); 10] = [
            (b"ab\xff", 3),
            (b"ab\x80", 3),
            (b"\xc0\xaf", 1),
            (b"\xe0\x9f\xbf", 2),
            (b"\xed\xa0\x80", 2),
            (b"\xf4\x90\x80\x80", 2),
            (b"\xf5\x80\x80\x80", 1),
            (b"\xf0\x9d\x84x", 4),
            (b"\xe2\x82\xf0\x9d\x84\x9e", 3),
            (b"\xc3\xc3\xa4", 2),
        ];
        for before in ["", "a", "κόσμε", &"x".repeat(2000)] {
            for (bad, invalid_at) in cases {
                let bytes = [before.as_bytes(), bad, b"behind"].concat();
                let invalid_at = before.len() + invalid_at;
                assert_eq!(read(&bytes, 1), Err(invalid_at), "{bad:x?} behind {} bytes", before.len());
                for piece in 2..20 {
                    let expected = invalid_at.next_multiple_of(piece).min(bytes.len());
                    assert_eq!(read(&bytes, piece), Err(expected), "{bad:x?} in pieces of {piece}");
                }
                assert!(text(&bytes).is_err());
            }
        }
    }

    #[test]
    fn text_ends_with_a_character() {
        for bad in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9d\x84", b"a\xf0"] {
            for piece in 1..4 {
                assert_eq!(read(bad, piece), Err(bad.len()), "{bad:x?}");
            }
        }
    }
}
