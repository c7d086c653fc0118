//! [`FrameWalker`]: follows frame boundaries through the bytes that the codec is given, without
//! decoding payloads.
//!
//! The walker counts the frames that begin, for the budget of a poll, and the frames of the current
//! message. It tracks whether the stream is between two messages. It enforces one rule, the limit
//! of frames in a message, because the codec has none: it stops in front of the first frame above
//! the limit. The codec finds all other faults. The walker also keeps the peer's close frame,
//! because the codec rejects a code that may be sent (1014). It must not allocate, except for that
//! frame.

use crate::wire::Text;

/// The sender of the frames. A client masks every frame, a server masks none (RFC 6455 section
/// 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    #[cfg(feature = "client")]
    Server,
}

/// The position of the codec in the stream of frames.
#[derive(Clone, Debug)]
pub(crate) struct FrameWalker {
    /// The bytes of the current header so far: opcode, length, extended length (RFC 6455 section
    /// 5.2).
    header: [u8; 10],
    header_len: u8,
    /// The number of mask and payload bytes of the current frame that are still missing.
    remaining: u64,
    /// The number of frames of the incomplete message; 0 between two messages.
    fragments: usize,
    max_fragments: usize,
    /// Whether the walker has stopped in front of a frame above the limit.
    is_stopped: bool,
    sender: Sender,
    /// The first close frame, once its header has passed.
    close: Option<Box<Close>>,
    /// The number of completed messages and control frames, less the messages that the codec has
    /// returned.
    ended: u32,
}

/// A close frame without its header.
#[derive(Clone, Debug)]
struct Close {
    /// The number of bytes that are still missing.
    missing: usize,
    /// The mask, if there is one, and the payload.
    bytes: Vec<u8>,
}

impl Close {
    /// Takes the next bytes of the stream, as far as they belong to this frame.
    fn take(&mut self, bytes: &[u8]) {
        let own = bytes.get(..self.missing).unwrap_or(bytes);
        self.bytes.extend_from_slice(own);
        self.missing -= own.len();
    }

    /// Returns code and reason; `None` if there is no code, or the reason is not UTF-8.
    fn read(&self, sender: Sender) -> Option<(u16, Text)> {
        let payload: Vec<u8> = match sender {
            Sender::Client => {
                let (mask, payload) = self.bytes.split_first_chunk::<4>()?;
                payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
            }
            #[cfg(feature = "client")]
            Sender::Server => self.bytes.clone(),
        };
        let (code, reason) = payload.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*code), std::str::from_utf8(reason).ok()?.into()))
    }
}

/// The result of [`FrameWalker::walk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The number of frames that began.
    pub(crate) frames: u32,
    /// The number of bytes walked over: all, or those in front of the first frame above the limit.
    pub(crate) bytes: usize,
}

impl FrameWalker {
    pub(crate) fn new(sender: Sender, max_fragments: usize) -> Self {
        Self {
            header: [0; 10],
            header_len: 0,
            remaining: 0,
            fragments: 0,
            max_fragments,
            is_stopped: false,
            sender,
            close: None,
            ended: 0,
        }
    }

    /// Walks over these bytes, up to the first frame above the limit.
    pub(crate) fn walk(&mut self, whole: &[u8]) -> Walked {
        let (mut bytes, mut frames) = (whole, 0);
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.remaining > 0 {
                let skipped = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len());
                self.remaining -= skipped as u64;
                if let Some(close) = &mut self.close {
                    close.take(bytes);
                }
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if self.header_len == 0 {
                if !is_control(byte) && self.fragments == self.max_fragments {
                    self.is_stopped = true;
                    break;
                }
                self.fragments += usize::from(!is_control(byte));
                frames += 1;
            }
            if let Some(place) = self.header.get_mut(usize::from(self.header_len)) {
                *place = byte;
            }
            self.header_len += 1;
            bytes = rest;
            self.finish_header();
        }
        Walked { frames, bytes: whole.len() - bytes.len() }
    }

    /// Walks over bytes that the codec does not get, without a limit of frames. The peer's close
    /// frame may be among them.
    pub(crate) fn skip(&mut self, bytes: &[u8]) {
        self.max_fragments = usize::MAX;
        self.walk(bytes);
    }

    /// Whether the walker has stopped in front of a frame above the limit.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether the stream is between two messages: no incomplete frame and no incomplete message.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.header_len == 0 && self.remaining == 0 && self.fragments == 0
    }

    /// Records that the codec has returned a message.
    pub(crate) fn note_returned(&mut self) {
        self.ended = self.ended.saturating_sub(1);
    }

    /// Records that the codec has no more message to return and no pong to send.
    pub(crate) fn note_all_returned(&mut self) {
        self.ended = 0;
    }

    /// Whether the codec holds nothing: it is between two messages, has returned all completed
    /// messages, and was not given a control frame, which it answers in its next read.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_between_messages() && self.ended == 0
    }

    /// Whether the peer's close frame has passed completely.
    pub(crate) fn has_seen_close(&self) -> bool {
        self.close.as_ref().is_some_and(|close| close.missing == 0)
    }

    /// Returns code and reason of the peer's close frame, if it has passed completely and has a
    /// code.
    pub(crate) fn received_close(&self) -> Option<(u16, Text)> {
        self.close.as_ref().filter(|close| close.missing == 0)?.read(self.sender)
    }

    /// If the header is complete: computes the rest of the frame, and whether the frame ends a
    /// message.
    fn finish_header(&mut self) {
        let [first, second, extended @ ..] = self.header;
        let extended_len = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.header_len < 2 + extended_len {
            return;
        }
        let mask_len = if second & 0x80 == 0 { 0 } else { 4 };
        let payload_len = match extended_len {
            0 => u64::from(second & 0x7f),
            2 => u64::from(u16::from_be_bytes([extended[0], extended[1]])),
            _ => u64::from_be_bytes(extended),
        };
        self.remaining = payload_len.saturating_add(mask_len);
        self.header_len = 0;
        // A valid close frame has FIN and no reserved bit, is masked as its sender requires, and is
        // short. The codec rejects any other.
        let is_masked = self.sender == Sender::Client;
        if first == 0x88 && payload_len <= 125 && (mask_len == 4) == is_masked && self.close.is_none() {
            let missing = self.remaining as usize;
            self.close = Some(Box::new(Close { missing, bytes: Vec::with_capacity(missing) }));
        }
        let is_final = first & 0x80 != 0;
        if is_final && !is_control(first) {
            self.fragments = 0;
        }
        self.ended = self.ended.saturating_add(u32::from(is_final || is_control(first)));
    }
}

/// Whether a frame with this first byte is a control frame. Control frames may be sent between the
/// fragments of a message and do not belong to it.
fn is_control(first: u8) -> bool {
    first & 0x08 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a masked client frame. `extended` forces a longer length field than needed.
    fn frame(first: u8, len: usize, extended: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match extended {
            0 => bytes.push(0x80 | len as u8),
            2 => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(std::iter::repeat_n(0x81, len));
        bytes
    }

    #[test]
    fn frames_are_counted_however_the_bytes_are_cut() {
        let stream: Vec<u8> = [
            frame(0x81, 5, 0),
            frame(0x82, 0, 0),
            frame(0x01, 300, 2),
            frame(0x89, 125, 0),
            frame(0x00, 3, 8),
            frame(0x80, 70_000, 8),
        ]
        .concat();
        for piece in [1, 2, 3, 7, 64, 1000, stream.len()] {
            let mut walker = FrameWalker::new(Sender::Client, 3);
            let frames: u32 = stream.chunks(piece).map(|bytes| walker.walk(bytes).frames).sum();
            assert_eq!(frames, 6, "pieces of {piece}");
            assert!(walker.is_between_messages(), "pieces of {piece}");
        }
    }

    #[test]
    fn it_is_between_messages_only_after_the_last_byte_of_the_last_frame() {
        let mut walker = FrameWalker::new(Sender::Client, 3);
        let message = [frame(0x01, 2, 0), frame(0x89, 1, 0), frame(0x80, 2, 0)].concat();
        for (at, byte) in message.iter().enumerate() {
            assert_eq!(walker.is_between_messages(), at == 0, "before byte {at}");
            walker.walk(&[*byte]);
        }
        assert!(walker.is_between_messages());
    }

    #[test]
    fn a_close_frame_is_seen_with_its_last_byte_and_in_no_payload() {
        let mut walker = FrameWalker::new(Sender::Client, 3);
        let payload_like_a_close = [frame(0x82, 200, 2), vec![0x82, 0x88, 1, 2, 3, 4]].concat();
        walker.walk(&[payload_like_a_close, [0x88; 8].to_vec()].concat());
        assert!(walker.is_between_messages() && !walker.has_seen_close());
        let (last, all_but_one) =
            frame(0x88, 2, 0).split_last().map(|(last, rest)| (*last, rest.to_vec())).unwrap();
        walker.walk(&all_but_one);
        assert!(!walker.has_seen_close());
        walker.walk(&[last]);
        assert!(walker.has_seen_close());
    }

    #[test]
    fn the_peers_first_close_frame_is_kept_however_the_bytes_are_cut() {
        let unmasked = [0x88, 5, 0x03, 0xf6, b'b', b'y', b'e'];
        let mask = [1, 2, 3, 4];
        let payload = unmasked[2..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let masked: Vec<u8> = [0x88, 0x85].into_iter().chain(mask).chain(payload).collect();
        let cases = [
            (Sender::Client, [frame(0x81, 300, 2), masked, frame(0x88, 2, 0)].concat()),
            #[cfg(feature = "client")]
            (Sender::Server, [vec![0x81, 1, b'x'], unmasked.to_vec(), vec![0x88, 0, 0xff]].concat()),
        ];
        for (sender, stream) in cases {
            for piece in [1, 2, 3, 7, 64, stream.len()] {
                let mut walker = FrameWalker::new(sender, 3);
                stream.chunks(piece).for_each(|bytes| {
                    walker.walk(bytes);
                });
                let received = walker.received_close();
                assert_eq!(received, Some((1014, "bye".into())), "{sender:?}, pieces of {piece}");
            }
        }
    }

    #[test]
    fn it_stops_in_front_of_the_frame_that_is_one_too_many_however_the_bytes_are_cut() {
        // A message of one frame, one of three frames, and one whose fourth frame exceeds the
        // limit. Pings in between do not count.
        let fine = [
            frame(0x81, 5, 0),
            frame(0x01, 0, 0),
            frame(0x00, 0, 0),
            frame(0x89, 1, 0),
            frame(0x80, 300, 2),
            frame(0x02, 1, 0),
            frame(0x00, 0, 0),
            frame(0x8a, 0, 0),
            frame(0x00, 70_000, 8),
            frame(0x89, 2, 0),
        ]
        .concat();
        for too_many in [frame(0x00, 0, 0), frame(0x80, 9, 0)] {
            let stream = [&*fine, &too_many, &frame(0x81, 1, 0)].concat();
            for piece in [1, 2, 3, 7, 64, 1000, stream.len()] {
                let mut walker = FrameWalker::new(Sender::Client, 3);
                let mut walked = 0;
                for bytes in stream.chunks(piece) {
                    walked += walker.walk(bytes).bytes;
                    if walker.is_stopped() {
                        break;
                    }
                }
                assert_eq!(walked, fine.len(), "pieces of {piece}");
                assert!(walker.is_stopped(), "pieces of {piece}");
            }
        }
    }

    #[test]
    fn an_announced_length_of_any_size_is_only_a_number() {
        let mut walker = FrameWalker::new(Sender::Client, 1);
        walker.walk(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        assert!(!walker.is_between_messages());
    }
}
