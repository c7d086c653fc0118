//! [`Inflating`]: the decompression of one received message (RFC 7692 section 7.2.2).

use flate2::{FlushDecompress, Status};

use super::pool::{self, Inflater};
use crate::{
    extension::MOST_BITS,
    fixed,
    socket::utf8,
    telemetry::MessageKind,
    wire::{Message, MessageError},
};

/// The bytes that the sender removes from the end of each message (RFC 7692 section 7.2.1), and an
/// empty last block. The decompressor reports the end of the stream with the last of them, and only
/// if the message ends at the end of a block.
const END: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x03, 0x00];

/// The number of last blocks (BFINAL) that a message may have before its end. A sender may end its
/// stream inside a message (RFC 7692 section 7.2.3.4); each time costs a reset.
const MOST_RESTARTS: u8 = 8;

/// The outcome of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    More,
}

#[derive(Debug)]
pub(super) struct Inflating {
    inflater: Inflater,
    kind: MessageKind,
    /// The compressed message, between two slices.
    payload: Vec<u8>,
    /// The number of bytes that were read, of the message and `END` together.
    at: usize,
    restarts: u8,
}

impl Inflating {
    /// Starts the decompression of a message. `history` has the last bytes of the messages before
    /// it.
    pub(super) fn new(kind: MessageKind, history: &[u8]) -> Self {
        let mut inflater = pool::inflater();
        inflater.remember(history);
        Self { inflater, kind, payload: Vec::new(), at: 0, restarts: 0 }
    }

    pub(super) fn keep(&mut self, payload: Vec<u8>) {
        self.payload = payload;
    }

    pub(super) fn take_payload(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.payload)
    }

    /// Decompresses a slice. `limit` is the largest message in bytes. Adds the number of
    /// decompressed bytes to `inflated`.
    pub(super) fn advance(
        &mut self,
        payload: &[u8],
        history: &[u8],
        limit: usize,
        inflated: &mut usize,
    ) -> Result<Progress, MessageError> {
        let start = self.inflater.out.len();
        let end_of_output = start.saturating_add(fixed::INFLATED_A_POLL);
        let end_of_input = self.at.saturating_add(fixed::INFLATED_INPUT_A_POLL);
        let progress = loop {
            self.make_room(payload.len(), limit);
            let had = self.inflater.out.len();
            let read = self.inflate(payload, end_of_input)?;
            let out = &self.inflater.out;
            if out.len() > limit {
                return Err(MessageError::TooBig { size: out.len(), limit });
            }
            match read {
                Read { is_end: true, .. } if self.at == payload.len() + END.len() => break Progress::Done,
                Read { is_end: true, .. } => self.restart(history)?,
                // No input was read and no output was written: the message ends inside a block.
                Read { bytes: 0, .. } if out.len() == had => return Err(MessageError::Compression),
                Read { .. } => {}
            }
            if self.inflater.out.len() >= end_of_output || self.at >= end_of_input {
                break Progress::More;
            }
        };
        *inflated += self.inflater.out.len() - start;
        Ok(progress)
    }

    /// Decompresses until the input, up to `end_of_input`, or the room in the output is used up.
    fn inflate(&mut self, payload: &[u8], end_of_input: usize) -> Result<Read, MessageError> {
        let rest = match payload.get(self.at..end_of_input.min(payload.len())) {
            Some(rest) if !rest.is_empty() => rest,
            _ => END.get(self.at.saturating_sub(payload.len())..).unwrap_or_default(),
        };
        let Inflater { state, out } = &mut self.inflater;
        let before = state.total_in();
        let status =
            state.decompress_vec(rest, out, FlushDecompress::None).map_err(|_| MessageError::Compression)?;
        let bytes = (state.total_in() - before) as usize;
        self.at += bytes;
        Ok(Read { bytes, is_end: status == Status::StreamEnd })
    }

    /// Grows the output in proportion to the received bytes, by at most one slice, and at most to
    /// the limit plus one byte.
    fn make_room(&mut self, payload: usize, limit: usize) {
        let out = &mut self.inflater.out;
        // With a larger buffer from the pool, a fault behind the limit would be reported instead of
        // the limit.
        if out.is_empty() && out.capacity() > limit.saturating_add(1) {
            *out = Vec::new();
        }
        if out.len() < out.capacity() {
            return;
        }
        let more = if out.is_empty() { payload.saturating_mul(4).max(64) } else { out.len() };
        let most = limit.saturating_add(1).saturating_sub(out.len());
        out.reserve_exact(more.min(fixed::INFLATED_A_POLL).min(most));
    }

    /// Continues after a last block. The rest of the message may refer to all bytes before it.
    #[cold]
    fn restart(&mut self, history: &[u8]) -> Result<(), MessageError> {
        if self.restarts == MOST_RESTARTS {
            return Err(MessageError::Compression);
        }
        self.restarts += 1;
        let Inflater { state, out } = &mut self.inflater;
        let most = 1 << MOST_BITS;
        let text = out.get(out.len().saturating_sub(most)..).unwrap_or_default();
        let before = history.len().saturating_sub(most - text.len());
        let dictionary = [history.get(before..).unwrap_or_default(), text].concat();
        state.reset(false);
        self.inflater.remember(&dictionary);
        Ok(())
    }

    /// The complete message, which owns exactly its own bytes.
    pub(super) fn message(&self) -> Result<Message, MessageError> {
        message(self.kind, &self.inflater.out)
    }

    pub(super) fn give_back(self) {
        self.inflater.give_back();
    }
}

struct Read {
    /// The number of bytes that were read.
    bytes: usize,
    /// Whether they end with a last block.
    is_end: bool,
}

pub(super) fn message(kind: MessageKind, bytes: &[u8]) -> Result<Message, MessageError> {
    Ok(match kind {
        MessageKind::Text => Message::text(utf8::text(bytes)?),
        MessageKind::Binary => Message::from(bytes),
    })
}
