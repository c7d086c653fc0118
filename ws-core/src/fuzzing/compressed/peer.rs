//! A peer that compresses with flate2 in the simplest way: [`Writer`] and [`Reader`].

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Content, Direction, LEAST_BITS, Seen, Sent, Side};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;
const PING: u8 = 0x89;
const BAD_DATA: u16 = 1007;
const TOO_BIG: u16 = 1009;
/// The end of a flushed stream, which a message does not have.
const END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The peer's side that sends, and the messages that are to arrive.
pub(super) struct Writer {
    direction: Direction,
    /// The one compressor of the connection; `None` if the window is too small for it.
    compressor: Option<Compress>,
    /// All that was sent compressed.
    history: Vec<u8>,
}

impl Writer {
    pub(super) fn new(direction: Direction) -> Self {
        let level = Compression::new(direction.level.into());
        let compressor = (direction.bits >= LEAST_BITS)
            .then(|| Compress::new_with_window_bits(level, false, direction.bits));
        Self { direction, compressor, history: Vec::new() }
    }

    /// Writes the frames of a message to `stream`, and its events to `expected`.
    pub(super) fn write(
        &mut self,
        message: &Sent,
        limit: usize,
        stream: &mut Vec<u8>,
        expected: &mut Vec<Seen>,
    ) {
        let (rsv1, payload, plain) = match &message.content {
            Content::Plain(plain) => (0, plain.clone(), Some(plain.clone())),
            Content::Deflate(payload) => (RSV1, payload.clone(), None),
            Content::Compressed(plain) => match self.compressed(plain) {
                Some(payload) => (RSV1, payload, Some(plain.clone())),
                None => (0, plain.clone(), Some(plain.clone())),
            },
        };
        let opcode = if message.is_text { TEXT } else { BINARY };
        let fault = self.write_frames(message, opcode | rsv1, &payload, limit, stream, expected);
        if let Some(code) = fault {
            return expected.push(Seen::Fault(code));
        }
        // A payload that was compressed here is decompressed again, for the limit.
        let read =
            if rsv1 == 0 { Ok(plain.clone().unwrap_or_default()) } else { self.inflated(&payload, limit) };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(code) => return expected.push(Seen::Fault(code)),
        };
        assert!(plain.is_none_or(|plain| plain == bytes), "the simple way is not right itself");
        if rsv1 != 0 {
            self.remember(&bytes);
        }
        if let Content::Deflate(_) = message.content {
            self.compress_behind_history();
        }
        expected.push(match message.is_text {
            false => Seen::Binary(bytes),
            true => String::from_utf8(bytes).map_or(Seen::Fault(BAD_DATA), Seen::Text),
        });
    }

    /// Returns the code of the fault that the frames themselves have.
    fn write_frames(
        &self,
        message: &Sent,
        first: u8,
        payload: &[u8],
        limit: usize,
        stream: &mut Vec<u8>,
        expected: &mut Vec<Seen>,
    ) -> Option<u16> {
        let (mut first, mut rest, mut sizes) = (first, payload, message.frames.iter());
        let is_plain_text = first == TEXT;
        loop {
            if message.is_interrupted {
                self.frame(PING, b"between", stream);
                expected.push(Seen::Ping(b"between".to_vec()));
            }
            let size = sizes.next().map(|size| (*size).min(rest.len()));
            let (part, behind) = rest.split_at(size.unwrap_or(rest.len()));
            let fin = if size.is_none() { FIN } else { 0 };
            self.frame(first | fin, part, stream);
            if payload.len() - behind.len() > limit {
                return Some(TOO_BIG);
            }
            // Plain text is checked with each piece of it.
            let arrived = &payload[..payload.len() - behind.len()];
            if is_plain_text && std::str::from_utf8(arrived).is_err_and(|it| it.error_len().is_some()) {
                return Some(BAD_DATA);
            }
            size?;
            (first, rest) = (0, behind);
        }
    }

    fn frame(&self, first: u8, payload: &[u8], stream: &mut Vec<u8>) {
        let masked = if self.direction.reader == Side::Server { MASKED } else { 0 };
        stream.push(first);
        match payload.len() {
            short @ 0..126 => stream.push(masked | short as u8),
            medium @ 126..65_536 => {
                stream.push(masked | 126);
                stream.extend((medium as u16).to_be_bytes());
            }
            long => {
                stream.push(masked | 127);
                stream.extend((long as u64).to_be_bytes());
            }
        }
        if masked == 0 {
            return stream.extend(payload);
        }
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        stream.extend(mask);
        stream.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    fn compressed(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let compressor = self.compressor.as_mut()?;
        if !self.direction.takes_over {
            compressor.reset();
        }
        let mut out = Vec::with_capacity(plain.len() + plain.len() / 8 + 1024);
        let before = compressor.total_in();
        compressor.compress_vec(plain, &mut out, FlushCompress::Sync).expect("the state is right");
        assert_eq!((compressor.total_in() - before) as usize, plain.len(), "there is room for all of it");
        // Nothing is written for an empty message behind another one.
        Some(out.strip_suffix(&END).map(<[u8]>::to_vec).unwrap_or(out))
    }

    /// Tells the compressor of a message that it has not compressed itself.
    fn compress_behind_history(&mut self) {
        if let Some(compressor) = &mut self.compressor
            && !self.history.is_empty()
        {
            compressor.reset();
            compressor.set_dictionary(&self.history).expect("a raw stream takes one at any time");
        }
    }

    /// Decompresses in one step. Fails with the close code that is to answer the fault.
    fn inflated(&self, payload: &[u8], limit: usize) -> Result<Vec<u8>, u16> {
        const LAST_BLOCK: [u8; 2] = [0x03, 0x00];
        if payload.is_empty() {
            return Ok(Vec::new());
        }
        let input = [payload, &END, &LAST_BLOCK].concat();
        let (mut all, mut out) = (self.history.clone(), Vec::new());
        let mut at = 0;
        for _ in 0..=8 {
            let mut state = Decompress::new_with_window_bits(false, 15);
            let dictionary = &all[all.len().saturating_sub(32 << 10)..];
            if !dictionary.is_empty() {
                state.set_dictionary(dictionary).map_err(|_| BAD_DATA)?;
            }
            let mut part = Vec::with_capacity(limit + 1 - out.len());
            let status =
                state.decompress_vec(&input[at..], &mut part, FlushDecompress::None).map_err(|_| BAD_DATA)?;
            at += state.total_in() as usize;
            out.extend_from_slice(&part);
            all.extend_from_slice(&part);
            if out.len() > limit {
                return Err(TOO_BIG);
            }
            match status {
                Status::StreamEnd if at == input.len() => return Ok(out),
                Status::StreamEnd => {}
                Status::Ok | Status::BufError => return Err(BAD_DATA),
            }
        }
        Err(BAD_DATA)
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.direction.takes_over {
            self.history.extend_from_slice(bytes);
            let window = 1 << self.direction.bits;
            self.history.drain(..self.history.len().saturating_sub(window));
        }
    }
}

/// The peer's side that receives. It has no more than the agreed window.
pub(super) struct Reader {
    direction: Direction,
    state: Decompress,
}

impl Reader {
    pub(super) fn new(direction: Direction) -> Self {
        // With a window of 256 bytes nothing may be compressed, so the state is not used.
        let state = Decompress::new_with_window_bits(false, direction.bits.max(LEAST_BITS));
        Self { direction, state }
    }

    /// Returns the kind and the bytes of each message in a stream of whole messages.
    pub(super) fn read(&mut self, mut stream: &[u8], threshold: usize) -> Vec<(bool, Vec<u8>)> {
        let mut messages = Vec::new();
        while !stream.is_empty() {
            let (first, payload, behind) = frame(stream, self.direction.reader);
            stream = behind;
            assert_eq!(first & FIN, FIN, "a message is one frame");
            let bytes = if first & RSV1 == 0 {
                payload
            } else {
                let bytes = self.inflated(&payload);
                assert!(payload.len() < bytes.len(), "a message that does not become smaller");
                assert!(bytes.len() >= threshold, "a message below the threshold");
                assert!(self.direction.bits >= LEAST_BITS, "a compressed message");
                bytes
            };
            messages.push((first & !(FIN | RSV1) == TEXT, bytes));
        }
        messages
    }

    /// Decompresses with little room for the output, so that nothing outside the window helps.
    fn inflated(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.direction.takes_over {
            self.state.reset(false);
        }
        let input = [payload, &END].concat();
        let (mut at, mut all) = (0, Vec::new());
        loop {
            let mut out = [0; 200];
            let (read, written) = (self.state.total_in(), self.state.total_out());
            self.state
                .decompress(&input[at..], &mut out, FlushDecompress::Sync)
                .expect("the message is valid for this window");
            let written = (self.state.total_out() - written) as usize;
            at += (self.state.total_in() - read) as usize;
            all.extend_from_slice(&out[..written]);
            if at == input.len() && written < out.len() {
                return all;
            }
        }
    }
}

/// Returns the first byte and the unmasked payload of a frame, and the bytes behind it.
fn frame(stream: &[u8], reader: Side) -> (u8, Vec<u8>, &[u8]) {
    let [first, second, rest @ ..] = stream else { panic!("half a header") };
    assert_eq!(second & MASKED != 0, reader == Side::Server, "only a client masks");
    let (length, rest) = match second & !MASKED {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk().expect("a length"))), &rest[2..]),
        127 => (u64::from_be_bytes(*rest.first_chunk().expect("a length")), &rest[8..]),
        short => (short.into(), rest),
    };
    let (mask, rest) = match reader {
        Side::Server => (*rest.first_chunk().expect("a mask"), &rest[4..]),
        #[cfg(feature = "client")]
        Side::Client => ([0; 4], rest),
    };
    let (payload, behind) = rest.split_at(length as usize);
    (
        *first,
        payload.iter().zip(mask.iter().cycle()).map(|(byte, mask): (&u8, &u8)| byte ^ mask).collect(),
        behind,
    )
}
