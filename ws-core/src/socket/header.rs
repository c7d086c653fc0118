//! [`Header`]: reads and writes the header of a frame (RFC 6455 section 5.2).

use super::utf8;
use crate::telemetry::MessageKind;

/// The size of the longest header: two bytes, a length of eight bytes, a mask of four.
pub(super) const LONGEST_HEADER: usize = 14;

/// Marks the last frame of a message.
pub(super) const FIN: u8 = 0x80;
/// The bits reserved for extensions.
pub(super) const RESERVED: u8 = 0x70;
/// The reserved bit that marks a compressed message, in its first frame (RFC 7692 section 6).
pub(super) const RSV1: u8 = 0x40;
/// Marks a masked payload, in the second byte.
pub(super) const MASKED: u8 = 0x80;

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// Returns the opcode of a frame with this first byte.
pub(super) fn opcode(first: u8) -> u8 {
    first & 0x0f
}

/// Returns the kind of a message whose first frame has this opcode.
pub(super) fn kind(opcode: u8) -> MessageKind {
    if opcode == TEXT { MessageKind::Text } else { MessageKind::Binary }
}

/// Whether a frame with this first byte is a control frame. Control frames may be sent between the
/// fragments of a message and do not belong to it.
pub(super) fn is_control(first: u8) -> bool {
    first & 0x08 != 0
}

/// Whether these bytes are one unfragmented, unmasked data frame, as a server sends a message: with
/// FIN, without reserved bits, with exactly the announced length, and valid UTF-8 if it is text.
pub(crate) fn is_whole_message(frame: &[u8]) -> bool {
    let Some(Header { first, mask: None, length, size }) = Header::read(frame) else { return false };
    let Some(payload) = frame.get(size..) else { return false };
    payload.len() as u64 == length
        && (first == FIN | BINARY || (first == FIN | TEXT && utf8::text(payload).is_ok()))
}

/// A complete header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// FIN, the reserved bits and the opcode.
    pub(super) first: u8,
    pub(super) mask: Option<[u8; 4]>,
    /// The length of the payload in bytes.
    pub(super) length: u64,
    /// The length of the header itself in bytes.
    pub(super) size: usize,
}

impl Header {
    /// Reads the header at the start of these bytes; `None` if it is not complete.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        let Announced { length, size } = Announced::read(bytes)?;
        if second & MASKED == 0 {
            return Some(Self { first, mask: None, length, size });
        }
        let mask = bytes.get(size..)?.first_chunk().copied()?;
        Some(Self { first, mask: Some(mask), length, size: size + 4 })
    }
}

/// The announced length of a payload. It is before the mask in a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// The length in bytes.
    pub(super) length: u64,
    /// The size of the header without the mask, in bytes.
    size: usize,
}

impl Announced {
    /// Reads the length in a header; `None` if it is not complete. Longer encodings than necessary
    /// are accepted.
    #[inline]
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        let [_, second, rest @ ..] = header else { return None };
        Some(match second & !MASKED {
            126 => Self { length: u16::from_be_bytes(*rest.first_chunk()?).into(), size: 4 },
            127 => Self { length: u64::from_be_bytes(*rest.first_chunk()?), size: 10 },
            length => Self { length: length.into(), size: 2 },
        })
    }
}

/// An encoded header.
#[derive(Debug)]
pub(super) struct Written {
    bytes: [u8; LONGEST_HEADER],
    len: usize,
}

impl Written {
    /// Encodes a header, with the shortest encoding of the length.
    #[inline]
    pub(super) fn new(first: u8, length: usize, mask: Option<[u8; 4]>) -> Self {
        let mut bytes = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut len = match length {
            0..126 => {
                bytes[1] = length as u8;
                2
            }
            126..0x1_0000 => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        if let Some(mask) = mask {
            bytes[1] |= MASKED;
            if let Some(place) = bytes.get_mut(len..len + 4) {
                place.copy_from_slice(&mask);
            }
            len += 4;
        }
        Self { bytes, len }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_was_written_is_read_again_and_no_shorter_one() {
        let mask = Some([1, 2, 3, 4]);
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 40] {
            for mask in [None, mask] {
                let written = Written::new(0x82, length, mask);
                let bytes = written.as_slice();
                let expected = Header { first: 0x82, mask, length: length as u64, size: bytes.len() };
                assert_eq!(Header::read(bytes), Some(expected));
                assert_eq!(Header::read(&[bytes, &[7; 20]].concat()), Some(expected), "with what follows");
                for cut in 0..bytes.len() {
                    assert_eq!(Header::read(&bytes[..cut]), None, "{cut} bytes of {bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_length_may_be_encoded_in_more_bytes_than_needed() {
        for bytes in [&[0x81, 126, 0, 5][..], &[0x81, 127, 0, 0, 0, 0, 0, 0, 0, 5]] {
            let expected = Header { first: 0x81, mask: None, length: 5, size: bytes.len() };
            assert_eq!(Header::read(bytes), Some(expected));
        }
    }
}
