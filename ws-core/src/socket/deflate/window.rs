//! [`Window`]: the last bytes of a connection's messages in one direction.

use crate::extension::Direction;

/// The dictionary for the next message. It grows with the messages, up to the agreed size.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// The largest number of bytes; 0 if no message refers to those before it.
    size: usize,
}

impl Window {
    pub(super) fn new(direction: Direction) -> Self {
        let size = if direction.takes_over { 1 << direction.bits } else { 0 };
        Self { bytes: Vec::new(), size }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a message, which consists of these parts, and drops the oldest bytes.
    pub(super) fn push<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        if self.size == 0 {
            return;
        }
        for part in parts {
            let part = part.get(part.len().saturating_sub(self.size)..).unwrap_or_default();
            let total = self.bytes.len() + part.len();
            if total > self.size {
                self.bytes.drain(..total - self.size);
            }
            let room = total.next_power_of_two().min(self.size);
            self.bytes.reserve_exact(room.saturating_sub(self.bytes.len()).max(part.len()));
            self.bytes.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_stay_and_no_more_is_allocated() {
        let text: Vec<u8> = (0..5000_u32).map(|it| it as u8).collect();
        for piece in [1, 7, 511, 512, 513, 4000] {
            let mut window = Window::new(Direction { bits: 9, takes_over: true });
            let mut seen = 0;
            for part in text.chunks(piece) {
                window.push([part]);
                seen += part.len();
                let kept = &text[seen.saturating_sub(512)..seen];
                assert_eq!(window.bytes(), kept, "pieces of {piece}");
                assert!(window.bytes.capacity() <= 512, "{}", window.bytes.capacity());
            }
        }
    }

    #[test]
    fn without_a_context_nothing_is_kept() {
        let mut window = Window::new(Direction { bits: 15, takes_over: false });
        window.push([&b"text"[..]]);
        assert!(window.bytes().is_empty());
    }
}
