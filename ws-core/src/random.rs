//! Random numbers for ids and jitter. They are not secret and must not be used for secrets.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

/// Returns a random number. Each `RandomState` has its own keys, which is random enough here
/// without a generator.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns a random time of at most `most`.
pub(crate) fn time(most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(number() % nanos.saturating_add(1).max(1))
}

/// Returns a random time between `100 - percent` and `100 + percent` per cent of this one.
pub(crate) fn jitter(time: Duration, percent: u32) -> Duration {
    let percent = 100 - percent + (number() % u64::from(2 * percent + 1)) as u32;
    (time / 100).saturating_mul(percent)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_time_varies_within_its_bounds() {
        let pause = Duration::from_millis(100);
        let seen: HashSet<_> = (0..200).map(|_| jitter(pause, 50)).collect();
        assert!(seen.iter().all(|it| (pause / 2..=pause * 3 / 2).contains(it)), "{seen:?}");
        assert!(seen.len() > 20, "{seen:?}");
        let seen: HashSet<_> = (0..200).map(|_| time(pause)).collect();
        assert!(seen.iter().all(|it| *it <= pause) && seen.len() > 100, "{seen:?}");
        assert!(
            seen.iter().any(|it| *it < pause / 4) && seen.iter().any(|it| *it > pause * 3 / 4),
            "{seen:?}"
        );
        assert_eq!(time(Duration::ZERO), Duration::ZERO);
        assert!(jitter(Duration::MAX, 50) >= Duration::MAX / 100 * 49, "no overflow");
    }
}
