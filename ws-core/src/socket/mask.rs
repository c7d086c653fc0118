//! [`Mask`] and [`Role`]: the side that masks its frames, and the masking itself (RFC 6455 sections
//! 5.1 and 5.3).

/// The side of a connection that this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Receives masked frames and sends unmasked ones.
    Server,
    /// Receives unmasked frames and sends masked ones.
    #[cfg(feature = "client")]
    Client,
}

impl Role {
    /// Whether the frames that this side receives must be masked.
    #[inline]
    pub(super) fn receives_masks(self) -> bool {
        self == Self::Server
    }

    /// Returns the fault of a received frame with the wrong masking.
    pub(super) fn mask_fault(self) -> &'static str {
        match self {
            Self::Server => "a client's frame without a mask",
            #[cfg(feature = "client")]
            Self::Client => "a server's frame with a mask",
        }
    }

    /// Returns the mask of a new frame, which must not be predictable; `None` on a server.
    pub(super) fn new_mask(self) -> Option<[u8; 4]> {
        match self {
            Self::Server => None,
            #[cfg(feature = "client")]
            Self::Client => Some(rand::random()),
        }
    }
}

/// The mask of a frame, rotated to the position of its next byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    #[inline]
    pub(super) fn new(mask: [u8; 4]) -> Self {
        Self(mask)
    }

    /// Masks or unmasks the next bytes of the payload in place.
    #[inline]
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        let [a, b, c, d] = self.0;
        let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = bytes.as_chunks_mut::<8>();
        // The compiler vectorises this loop.
        for bytes in words {
            *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
            *byte ^= mask;
        }
        self.0.rotate_left(rest.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_masked_with_its_own_byte_of_the_mask_however_the_payload_is_cut() {
        let payload: Vec<u8> = (0..=255).collect();
        let mask = [0x11, 0x22, 0x33, 0x44];
        let expected: Vec<u8> =
            payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        for piece in 1..40 {
            let (mut bytes, mut mask) = (payload.clone(), Mask::new(mask));
            bytes.chunks_mut(piece).for_each(|bytes| mask.apply(bytes));
            assert_eq!(bytes, expected, "pieces of {piece}");
        }
    }
}
