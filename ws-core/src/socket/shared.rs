//! [`SharedFrame`]: a message that is encoded once for many connections, and compressed once for
//! those that compress each message by itself.

use bytes::Bytes;

use super::data_frame;
use crate::telemetry::MessageKind;

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
/// the frame is moved to the queue that is written. Until then it has the size for the counters,
/// and marks the frame as one that needs no compression.
#[derive(Debug)]
pub(crate) struct SharedFrame {
    plain: Bytes,
    kind: MessageKind,
    /// The bytes of the uncompressed payload.
    payload_bytes: usize,
    /// The compressed forms that were needed so far.
    #[cfg(feature = "deflate")]
    compressed: Vec<(SharedFormat, Bytes)>,
}

impl SharedFrame {
    /// `plain` is the message as one frame without a mask.
    pub(crate) fn new(plain: Bytes) -> Self {
        let (kind, payload_bytes) = data_frame(&plain);
        Self {
            plain,
            kind,
            payload_bytes,
            #[cfg(feature = "deflate")]
            compressed: Vec::new(),
        }
    }

    /// The uncompressed frame.
    pub(crate) fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The kind of the message, and the bytes of its uncompressed payload.
    pub(crate) fn message(&self) -> (MessageKind, usize) {
        (self.kind, self.payload_bytes)
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
        pub(crate) fn prepare(&mut self, _: Option<SharedFormat>) {}

        pub(crate) fn in_format(&self, _: Option<SharedFormat>) -> &Bytes {
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

    /// The format in which a connection accepts a message that is compressed for many connections.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct SharedFormat {
        /// The base-2 logarithm of the window.
        pub(in crate::socket) bits: u8,
        pub(in crate::socket) level: u8,
        /// The smallest payload that is compressed, in bytes.
        pub(in crate::socket) threshold: u32,
    }

    impl SharedFrame {
        /// Makes the form for a connection that takes this format, unless an earlier connection
        /// needed it. Must be called before [`Self::in_format`].
        #[inline]
        pub(crate) fn prepare(&mut self, format: Option<SharedFormat>) {
            if let Some(format) = format {
                self.compress(format);
            }
        }

        /// Returns the form for a connection that takes this format.
        #[inline]
        pub(crate) fn in_format(&self, format: Option<SharedFormat>) -> &Bytes {
            format.map_or(&self.plain, |format| self.compressed(format))
        }

        #[inline(never)]
        fn compressed(&self, format: SharedFormat) -> &Bytes {
            if self.payload_bytes < format.threshold as usize {
                return &self.plain;
            }
            let found = self.compressed.iter().find(|(made, _)| made.makes_the_same(format));
            found.map_or(&self.plain, |(_, frame)| frame)
        }

        #[inline(never)]
        fn compress(&mut self, format: SharedFormat) {
            let Some(header) = Header::read(&self.plain) else { return };
            let Ok(size) = u32::try_from(header.length) else { return };
            let is_made = || self.compressed.iter().any(|(made, _)| made.makes_the_same(format));
            if size > 0 && size >= format.threshold && !is_made() {
                self.compressed.push((format, stamped(&self.plain, header, size, format)));
            }
        }
    }

    impl SharedFormat {
        /// Whether a message has the same compressed form in both. The threshold only decides
        /// whether it is compressed.
        fn makes_the_same(self, other: Self) -> bool {
            self.bits == other.bits && self.level == other.level
        }
    }

    /// Returns the frame in this format, behind a stamp. If it does not become smaller, it stays as
    /// it is, and the stamp keeps each connection from trying again.
    fn stamped(plain: &Bytes, header: Header, size: u32, format: SharedFormat) -> Bytes {
        let payload = plain.get(header.size..).unwrap_or_default();
        let done = compressed(payload, format);
        let opcode = header::opcode(header.first);
        let (first, payload) = match &done {
            Some(done) => (FIN | RSV1 | opcode, done.payload()),
            None => (FIN | opcode, payload),
        };
        let header = header::Written::new(first, payload.len(), None);
        let mut bytes = BytesMut::with_capacity(STAMP_SIZE + header.as_slice().len() + payload.len());
        bytes.put_u8(STAMP);
        bytes.put_u32(size);
        bytes.extend_from_slice(header.as_slice());
        bytes.extend_from_slice(payload);
        if let Some(done) = done {
            done.give_back();
        }
        bytes.freeze()
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;
    use crate::{socket::encode, wire::Message};

    /// Makes and returns the form.
    fn form(shared: &mut SharedFrame, format: Option<SharedFormat>) -> &Bytes {
        shared.prepare(format);
        shared.in_format(format)
    }

    #[test]
    fn each_form_is_compressed_once_and_connections_share_its_bytes() {
        let mut shared = SharedFrame::new(encode(Message::text("again and again ".repeat(100))));
        let format = |bits, level, threshold| Some(SharedFormat { bits, level, threshold });
        let first = form(&mut shared, format(15, 1, 10)).clone();
        for threshold in [0, 1, 1600] {
            let again = form(&mut shared, format(15, 1, threshold));
            assert_eq!(again.as_ptr(), first.as_ptr(), "the threshold is not a part of the form");
        }
        assert_eq!(form(&mut shared, format(15, 1, 1601)).clone(), shared.plain());
        assert_eq!(form(&mut shared, None).clone(), shared.plain());
        for (bits, level) in [(9, 1), (15, 9)] {
            let other = form(&mut shared, format(bits, level, 10)).clone();
            assert_ne!(other.as_ptr(), first.as_ptr());
            assert_eq!(form(&mut shared, format(bits, level, 10)).as_ptr(), other.as_ptr());
        }
        assert_eq!(shared.compressed.len(), 3);
    }

    #[test]
    fn a_form_that_is_not_smaller_is_tried_once() {
        let mut shared = SharedFrame::new(encode(Message::binary(vec![7, 1, 200])));
        let format = Some(SharedFormat { bits: 15, level: 1, threshold: 1 });
        let first = form(&mut shared, format).clone();
        assert_eq!(first[STAMP_SIZE..], shared.plain);
        assert_eq!(form(&mut shared, format).as_ptr(), first.as_ptr());
    }
}
