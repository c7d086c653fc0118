//! [`SharedFrame`]: a message that is encoded once for many connections, and compressed once for
//! those that compress each message by itself.

use bytes::Bytes;

#[cfg(not(feature = "deflate"))]
pub(crate) use absent::SharedFormat;
#[cfg(feature = "deflate")]
pub(crate) use present::SharedFormat;

/// The first byte of a stamp. No frame begins with it: it has all reserved bits.
const STAMP: u8 = 0x7f;
/// The size of a stamp: its first byte and 32 bits.
pub(super) const STAMP_SIZE: usize = 5;

/// A message as one frame, and its compressed forms.
///
/// A compressed form begins with a stamp, the size of the uncompressed payload. It is removed when
/// the frame is moved to the queue that is written. Until then the stamp tells the counters how
/// large the message is.
#[derive(Debug)]
pub(crate) struct SharedFrame {
    plain: Bytes,
    /// The compressed forms that were needed so far. `None` if a form is not smaller.
    #[cfg(feature = "deflate")]
    compressed: Vec<(SharedFormat, Option<Bytes>)>,
}

impl SharedFrame {
    /// `plain` is the message as one frame without a mask.
    pub(crate) fn new(plain: Bytes) -> Self {
        Self {
            plain,
            #[cfg(feature = "deflate")]
            compressed: Vec::new(),
        }
    }

    /// The uncompressed frame.
    pub(crate) fn plain(&self) -> &Bytes {
        &self.plain
    }
}

/// Returns the uncompressed size if these bytes begin with a stamp.
#[inline]
pub(super) fn stamp(bytes: &[u8]) -> Option<u32> {
    let [STAMP, rest @ ..] = bytes else { return None };
    rest.first_chunk().map(|size| u32::from_be_bytes(*size))
}

#[cfg(not(feature = "deflate"))]
mod absent {
    use bytes::Bytes;

    /// A type without values: without the feature `deflate` nothing is compressed.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum SharedFormat {}

    impl super::SharedFrame {
        pub(crate) fn in_format(&mut self, _: Option<SharedFormat>) -> &Bytes {
            &self.plain
        }
    }
}

#[cfg(feature = "deflate")]
mod present {
    use bytes::{BufMut as _, Bytes, BytesMut};

    use super::{
        super::{
            deflate::compressed,
            header::{self, FIN, Header, RSV1},
        },
        STAMP, STAMP_SIZE, SharedFrame,
    };

    /// The form in which a connection takes a message that is compressed for many.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct SharedFormat {
        /// The base-2 logarithm of the window.
        pub(in crate::socket) bits: u8,
        pub(in crate::socket) level: u8,
        /// The smallest payload that is compressed, in bytes.
        pub(in crate::socket) threshold: u32,
    }

    impl SharedFrame {
        /// Returns the frame for a connection that takes this format. It is compressed when the
        /// first connection needs it.
        pub(crate) fn in_format(&mut self, format: Option<SharedFormat>) -> &Bytes {
            let (Some(format), Some(header)) = (format, Header::read(&self.plain)) else {
                return &self.plain;
            };
            if header.length == 0 || header.length < format.threshold.into() {
                return &self.plain;
            }
            let is_same =
                |(made, _): &(SharedFormat, _)| made.bits == format.bits && made.level == format.level;
            let at = self.compressed.iter().position(is_same).unwrap_or_else(|| {
                self.compressed.push((format, compress(&self.plain, header, format)));
                self.compressed.len() - 1
            });
            self.compressed.get(at).and_then(|(_, frame)| frame.as_ref()).unwrap_or(&self.plain)
        }
    }

    /// Makes the compressed form, with its stamp. `None` if it is not smaller.
    fn compress(frame: &Bytes, header: Header, format: SharedFormat) -> Option<Bytes> {
        let before = u32::try_from(header.length).ok()?;
        let done = compressed(frame.get(header.size..)?, format)?;
        let payload = done.payload();
        let first = FIN | RSV1 | header::opcode(header.first);
        let written = header::Written::new(first, payload.len(), None);
        let mut bytes = BytesMut::with_capacity(STAMP_SIZE + written.as_slice().len() + payload.len());
        bytes.put_u8(STAMP);
        bytes.put_u32(before);
        bytes.extend_from_slice(written.as_slice());
        bytes.extend_from_slice(payload);
        done.give_back();
        Some(bytes.freeze())
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;
    use crate::{socket::encode, wire::Message};

    #[test]
    fn each_form_is_compressed_once_and_connections_share_its_bytes() {
        let mut shared = SharedFrame::new(encode(Message::text("again and again ".repeat(100))));
        let format = |bits, level, threshold| Some(SharedFormat { bits, level, threshold });
        let first = shared.in_format(format(15, 1, 10)).clone();
        for threshold in [0, 1, 1600] {
            let again = shared.in_format(format(15, 1, threshold));
            assert_eq!(again.as_ptr(), first.as_ptr(), "the threshold is not a part of the form");
        }
        assert_eq!(shared.in_format(format(15, 1, 1601)).as_ptr(), shared.plain().as_ptr());
        assert_eq!(shared.in_format(None).as_ptr(), shared.plain().as_ptr());
        for (bits, level) in [(9, 1), (15, 9)] {
            let other = shared.in_format(format(bits, level, 10)).clone();
            assert_ne!(other.as_ptr(), first.as_ptr());
            assert_eq!(shared.in_format(format(bits, level, 10)).as_ptr(), other.as_ptr());
        }
        assert_eq!(shared.compressed.len(), 3);
    }

    #[test]
    fn a_form_that_is_not_smaller_is_tried_once() {
        let mut shared = SharedFrame::new(encode(Message::binary(vec![7, 1, 200])));
        let format = Some(SharedFormat { bits: 15, level: 1, threshold: 1 });
        for _ in 0..3 {
            assert_eq!(shared.in_format(format).as_ptr(), shared.plain.as_ptr());
        }
        assert!(matches!(shared.compressed[..], [(_, None)]));
    }
}
