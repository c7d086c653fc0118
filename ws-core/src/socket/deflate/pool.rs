//! The compressors and decompressors of a thread.
//!
//! A compressor takes 250 to 380 KB and a decompressor 48 KB, so connections share them. A thread
//! keeps a few; more are made while several long messages are processed at once.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress};

use crate::{extension::MOST_BITS, fixed};

/// A compressor and a buffer for its output.
#[derive(Debug)]
pub(super) struct Deflater {
    pub(super) state: Compress,
    pub(super) out: Vec<u8>,
    bits: u8,
    level: u8,
}

/// A decompressor and a buffer for its output.
#[derive(Debug)]
pub(super) struct Inflater {
    pub(super) state: Decompress,
    pub(super) out: Vec<u8>,
}

#[derive(Default)]
struct Pool {
    deflaters: Vec<Deflater>,
    inflaters: Vec<Inflater>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Runs `f` with the pool of this thread; `None` while the thread ends.
fn with<T>(f: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
}

/// Borrows a compressor without a history. `bits` is 9 to 15, `level` 1 to 9.
pub(super) fn deflater(bits: u8, level: u8) -> Deflater {
    let fits = |it: &Deflater| it.bits == bits && it.level == level;
    let found = with(|pool| {
        let at = pool.deflaters.iter().rposition(fits)?;
        Some(pool.deflaters.remove(at))
    });
    match found.flatten() {
        Some(mut deflater) => {
            deflater.state.reset();
            deflater
        }
        None => {
            let level_of_state = Compression::new(level.into());
            let state = Compress::new_with_window_bits(level_of_state, false, bits);
            Deflater { state, out: Vec::new(), bits, level }
        }
    }
}

/// Borrows a decompressor without a history. It accepts every window.
pub(super) fn inflater() -> Inflater {
    match with(|pool| pool.inflaters.pop()).flatten() {
        Some(mut inflater) => {
            inflater.state.reset(false);
            inflater
        }
        None => {
            let state = Decompress::new_with_window_bits(false, MOST_BITS);
            Inflater { state, out: Vec::new() }
        }
    }
}

impl Deflater {
    pub(super) fn give_back(mut self) {
        recycle(&mut self.out);
        with(|pool| keep(&mut pool.deflaters, self));
    }
}

impl Inflater {
    /// Sets the text before the next message, to which it may refer.
    pub(super) fn remember(&mut self, history: &[u8]) {
        if !history.is_empty() {
            // Fails only for data with a zlib header, which this state does not read.
            let _ = self.state.set_dictionary(history);
        }
    }

    pub(super) fn give_back(mut self) {
        recycle(&mut self.out);
        with(|pool| keep(&mut pool.inflaters, self));
    }
}

/// Empties a buffer, and frees it if it is large.
fn recycle(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > fixed::POOLED_OUTPUT_BYTES {
        *buffer = Vec::new();
    }
}

/// Adds a state. Without room for it, the one that was not used for the longest time is dropped.
fn keep<T>(states: &mut Vec<T>, state: T) {
    if states.len() >= fixed::POOLED_STATES {
        states.remove(0);
    }
    states.push(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> [usize; 2] {
        with(|pool| [pool.deflaters.len(), pool.inflaters.len()]).unwrap()
    }

    #[test]
    fn a_thread_keeps_a_few_states_however_many_were_used_at_once() {
        let run = || {
            let deflaters: Vec<Deflater> = (0..20).map(|it| deflater(9 + it % 7, 1)).collect();
            let inflaters: Vec<Inflater> = (0..20).map(|_| inflater()).collect();
            deflaters.into_iter().for_each(Deflater::give_back);
            inflaters.into_iter().for_each(Inflater::give_back);
            assert_eq!(kept(), [fixed::POOLED_STATES; 2]);
            let again = deflater(14, 1);
            assert_eq!((again.bits, kept()[0]), (14, fixed::POOLED_STATES - 1), "one of the pool");
        };
        std::thread::spawn(run).join().unwrap();
    }

    #[test]
    fn a_large_buffer_is_freed() {
        let run = || {
            let mut inflater = inflater();
            inflater.out = vec![0; fixed::POOLED_OUTPUT_BYTES + 1];
            inflater.give_back();
            assert_eq!(super::inflater().out.capacity(), 0);
        };
        std::thread::spawn(run).join().unwrap();
    }
}
