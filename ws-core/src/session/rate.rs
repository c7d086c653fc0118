//! [`Bucket`]: the limit on received messages per second, `limits.messages_per_second`.
//!
//! A token bucket without a task and without a counter. It stores only the time at which the bucket
//! is full again. Each message takes a token and moves this time by the interval in which one token
//! returns. A message exceeds the rate if it would move this time further into the future than a
//! whole burst takes to return. The driver passes the current time, so a route without this limit
//! never reads the clock for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;

#[derive(Debug)]
pub(super) struct Bucket {
    /// The time in which one token returns.
    interval: Duration,
    /// The time in which all tokens return.
    whole: Duration,
    /// The time at which the bucket is full again.
    full_at: Instant,
    /// The time since which messages may be waiting in the socket, because this side did not read.
    behind_since: Option<Instant>,
}

impl Bucket {
    /// Creates a full bucket; `None` without a limit.
    pub(super) fn new(limits: &Limits, now: Instant) -> Option<Self> {
        let per_second = at_least_one(limits.messages_per_second?);
        let burst = limits.message_burst.map_or(per_second, at_least_one);
        let interval = Duration::from_secs(1) / per_second;
        Some(Self { interval, whole: interval.saturating_mul(burst), full_at: now, behind_since: None })
    }

    /// Records that this side does not read at the moment.
    pub(super) fn falls_behind(&mut self) {
        self.behind_since.get_or_insert_with(Instant::now);
    }

    /// Records that everything that has arrived was read.
    pub(super) fn catches_up(&mut self) {
        self.behind_since = None;
    }

    /// Takes a token. Returns false if there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        // Messages that were not read at once may have arrived at any time since `behind_since`, so
        // they may use all tokens that returned since then, even more than a whole burst.
        let full_at = self.full_at.max(self.behind_since.unwrap_or(now)) + self.interval;
        let is_there = full_at.duration_since(now) <= self.whole;
        if is_there {
            self.full_at = full_at;
        }
        is_there
    }
}

/// Converts a count. A count that exceeds 32 bits has the effect of no limit.
fn at_least_one(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(per_second: usize, burst: Option<usize>) -> (Bucket, Instant) {
        let limits =
            Limits { messages_per_second: Some(per_second), message_burst: burst, ..Limits::default() };
        let now = Instant::now();
        (Bucket::new(&limits, now).unwrap(), now)
    }

    /// Takes all tokens that there are at this time, and returns their number.
    fn tokens(bucket: &mut Bucket, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_burst_is_available_at_once_and_returns_at_its_rate() {
        for (per_second, burst, at_once) in
            [(10, None, 10), (10, Some(3), 3), (3, None, 3), (1, Some(50), 50)]
        {
            let (mut bucket, now) = bucket(per_second, burst);
            assert_eq!(tokens(&mut bucket, now), at_once, "{per_second}, {burst:?}");
            let one = Duration::from_secs(1) / u32::try_from(per_second).unwrap();
            assert_eq!(tokens(&mut bucket, now + one), 1, "{per_second}, {burst:?}");
            let later = now + one + Duration::from_secs(1);
            assert_eq!(tokens(&mut bucket, later), per_second.min(at_once), "{per_second}, {burst:?}");
            let long_after = later + Duration::from_secs(3600);
            assert_eq!(tokens(&mut bucket, long_after), at_once, "never more than a burst");
        }
    }

    #[test]
    fn a_refused_message_takes_no_token() {
        let (mut bucket, now) = bucket(10, Some(1));
        assert!(bucket.take(now));
        for _ in 0..100 {
            assert!(!bucket.take(now + Duration::from_millis(99)));
        }
        assert!(bucket.take(now + Duration::from_millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_were_not_read_for_a_while_have_the_tokens_of_that_time() {
        let (mut bucket, now) = bucket(10, Some(5));
        assert_eq!(tokens(&mut bucket, now), 5);
        bucket.falls_behind();
        let later = now + Duration::from_secs(7);
        bucket.falls_behind();
        assert_eq!(tokens(&mut bucket, later), 70);
        assert_eq!(tokens(&mut bucket, later + Duration::from_secs(1)), 10, "still behind");
        bucket.catches_up();
        assert_eq!(tokens(&mut bucket, later + Duration::from_secs(60)), 5);
    }

    #[test]
    fn without_a_limit_there_is_not_a_bucket_and_the_largest_limits_do_not_overflow() {
        assert!(Bucket::new(&Limits::default(), Instant::now()).is_none());
        let (mut huge, now) = bucket(usize::MAX, Some(usize::MAX));
        assert_eq!(tokens(&mut huge, now), 1000);
        let (mut slow, now) = bucket(1, Some(usize::MAX));
        assert_eq!(tokens(&mut slow, now), 1000);
    }
}
