//! [`ReconnectPolicy`] and [`Backoff`]: when to try again, and when to give up.
//!
//! This file is pure: the time and the random number are arguments.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::{
    client::{
        attempt::UNAUTHORIZED,
        error::{ConnectError, is_final},
    },
    wire::CloseReason,
};

/// The shortest back-off; one of zero would be a busy loop.
const MIN_BACKOFF: Duration = Duration::from_millis(1);

/// The policy of a [`ReconnectingClient`](super::ReconnectingClient): when it connects again.
///
/// The wait before attempt n (from 0) is random between zero and `initial * multiplier^n`, at most
/// `maximum`. This full jitter keeps the clients of a restarted server from connecting at the same
/// time. The back-off restarts only after a stable connection; after one that opens and is lost at
/// once it continues.
///
/// After a refusal with 408, 425, 429 or 5xx the client tries again. The `Retry-After` of the
/// refusal is then added to the wait, up to a limit. Any other refusal (401, 403, 404, ...) is
/// final, because the same request would be refused again. The close codes 1000 and 4403 of the
/// server are final, too: the server has finished, or it does not admit this client.
///
/// With [`before_attempt`](crate::client::ClientBuilder::before_attempt) a request need not be the
/// same, so 401 is not final. The first 401, or a connection that is closed with 4401, is followed
/// by one attempt without a wait, so that a new token is used at once. Until a connection was
/// stable, further attempts wait as after any other failure.
///
/// ```
/// use std::time::Duration;
///
/// use ws_core::client::ReconnectPolicy;
///
/// let policy = ReconnectPolicy::new()
///     .backoff(Duration::from_millis(200), Duration::from_secs(20))
///     .stable_after(Duration::from_secs(30))
///     .max_attempts(50);
/// # let _ = policy;
/// ```
#[derive(Clone, Debug)]
pub struct ReconnectPolicy {
    initial: Duration,
    maximum: Duration,
    multiplier: f64,
    stable_after: Duration,
    max_attempts: Option<u32>,
    retry_after_limit: Duration,
    retried: Vec<StatusCode>,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            maximum: Duration::from_secs(30),
            multiplier: 2.0,
            stable_after: Duration::from_secs(60),
            max_attempts: None,
            retry_after_limit: Duration::from_secs(300),
            retried: Vec::new(),
        }
    }
}

impl ReconnectPolicy {
    /// Returns the policy with the default of each setting.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the longest wait before the first attempt, and the longest wait before any attempt.
    /// Default 500 ms and 30 s; at least 1 ms.
    #[must_use]
    pub fn backoff(mut self, initial: Duration, maximum: Duration) -> Self {
        self.initial = initial.max(MIN_BACKOFF);
        self.maximum = maximum.max(self.initial);
        self
    }

    /// Sets the factor by which the longest wait grows with each attempt. Default 2; a value below
    /// 1 counts as 1.
    #[must_use]
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier.max(1.0);
        self
    }

    /// Sets how long a connection must be open before its loss restarts the back-off and the count
    /// of attempts. Default 60 s.
    #[must_use]
    pub fn stable_after(mut self, period: Duration) -> Self {
        self.stable_after = period;
        self
    }

    /// Gives up after this many attempts since the last stable connection. Default: no limit.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Sets the limit of a `Retry-After`; a longer one is shortened to it. Default 5 min.
    #[must_use]
    pub fn retry_after_limit(mut self, limit: Duration) -> Self {
        self.retry_after_limit = limit;
        self
    }

    /// Tries again after a refusal with this status, too. An example is 404 where a route is
    /// missing during a deployment.
    #[must_use]
    pub fn retry_status(mut self, status: StatusCode) -> Self {
        self.retried.push(status);
        self
    }

    /// Returns whether another attempt may succeed.
    fn is_temporary(&self, error: &ConnectError) -> bool {
        match error {
            ConnectError::Refused { status, .. } => {
                matches!(status.as_u16(), 408 | 425 | 429 | 500..=599) || self.retried.contains(status)
            }
            // The same request has succeeded before, so the server or the network has changed.
            ConnectError::Io(_)
            | ConnectError::Timeout { .. }
            | ConnectError::Tls(_)
            | ConnectError::Protocol(_)
            | ConnectError::NotPrepared(_) => true,
            ConnectError::InvalidUri { .. }
            | ConnectError::InvalidHeader { .. }
            | ConnectError::InvalidSubprotocol(_)
            | ConnectError::InvalidCompression(_)
            | ConnectError::TlsNotEnabled => false,
        }
    }

    /// Returns the wait that the server requests, in seconds or as a date (RFC 9110 section
    /// 10.2.3), up to the limit.
    fn retry_after(&self, error: &ConnectError, now: SystemTime) -> Duration {
        let ConnectError::Refused { headers, .. } = error else { return Duration::ZERO };
        retry_after(headers, now).unwrap_or_default().min(self.retry_after_limit)
    }
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

/// Why the next attempt is needed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// The connection was lost.
    Lost(&'a CloseReason),
    /// The last attempt failed at this time.
    Failed(&'a ConnectError, SystemTime),
}

impl Cause<'_> {
    fn is_unauthorized(self) -> bool {
        match self {
            Self::Lost(reason) => reason.code() == UNAUTHORIZED,
            Self::Failed(error, _) => error.status() == Some(StatusCode::UNAUTHORIZED),
        }
    }

    fn is_final(self, policy: &ReconnectPolicy) -> bool {
        match self {
            Self::Lost(reason) => is_final(reason),
            Self::Failed(error, _) => !policy.is_temporary(error),
        }
    }
}

/// Whether a refused token can be replaced by a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Each attempt sends the same token.
    #[default]
    Never,
    /// An attempt with a new token may follow at once.
    Possible,
    /// Such an attempt was made since the last stable connection.
    Tried,
}

/// The state of a client's back-off.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Attempts since the last stable connection.
    attempts: u32,
    renewal: Renewal,
}

impl Backoff {
    pub(super) fn new(renewal: Renewal) -> Self {
        Self { attempts: 0, renewal }
    }

    /// Restarts the back-off if the lost connection was open long enough.
    pub(super) fn on_loss(&mut self, open_for: Duration, policy: &ReconnectPolicy) {
        if open_for >= policy.stable_after {
            self.attempts = 0;
            if self.renewal == Renewal::Tried {
                self.renewal = Renewal::Possible;
            }
        }
    }

    /// Returns the wait before the next attempt; `None` to give up. `random` is between 0 and 1.
    pub(super) fn next(
        &mut self,
        policy: &ReconnectPolicy,
        cause: Cause<'_>,
        random: f64,
    ) -> Option<Duration> {
        let is_renewable = cause.is_unauthorized() && self.renewal != Renewal::Never;
        if cause.is_final(policy) && !is_renewable {
            return None;
        }
        if policy.max_attempts.is_some_and(|most| self.attempts >= most) {
            return None;
        }
        if is_renewable && self.renewal == Renewal::Possible {
            self.renewal = Renewal::Tried;
            self.attempts = self.attempts.saturating_add(1);
            return Some(Duration::ZERO);
        }
        let minimum = match cause {
            Cause::Lost(_) => Duration::ZERO,
            Cause::Failed(error, now) => policy.retry_after(error, now),
        };
        let growth = policy.multiplier.powi(i32::try_from(self.attempts).unwrap_or(i32::MAX));
        let longest = (policy.initial.as_secs_f64() * growth).min(policy.maximum.as_secs_f64());
        self.attempts = self.attempts.saturating_add(1);
        Some(minimum + Duration::try_from_secs_f64(longest * random).unwrap_or(policy.maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, headers: &[(&'static str, &str)]) -> ConnectError {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        ConnectError::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            headers: Box::new(headers.collect()),
            body: crate::Bytes::new(),
        }
    }

    fn policy() -> ReconnectPolicy {
        ReconnectPolicy::new()
            .backoff(Duration::from_millis(100), Duration::from_secs(1))
            .stable_after(Duration::from_secs(60))
    }

    const GONE: CloseReason = CloseReason::Gone(std::io::ErrorKind::UnexpectedEof);

    fn waits(backoff: &mut Backoff, policy: &ReconnectPolicy, count: usize) -> Vec<u128> {
        (0..count).map(|_| backoff.next(policy, Cause::Lost(&GONE), 1.0).unwrap().as_millis()).collect()
    }

    #[test]
    fn the_longest_wait_grows_up_to_the_maximum() {
        assert_eq!(waits(&mut Backoff::default(), &policy(), 6), [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waits(&mut Backoff { attempts: u32::MAX, ..Backoff::default() }, &policy(), 1), [1000]);
        assert_eq!(
            waits(&mut Backoff { attempts: u32::MAX, ..Backoff::default() }, &policy().multiplier(0.0), 1),
            [100]
        );
    }

    #[test]
    fn the_jitter_is_full() {
        for (random, expected) in [(0.0, 0), (0.25, 25), (1.0, 100)] {
            let wait = Backoff::default().next(&policy(), Cause::Lost(&GONE), random).unwrap();
            assert_eq!(wait.as_millis(), expected);
        }
    }

    #[test]
    fn only_a_stable_connection_restarts_the_backoff() {
        let (mut backoff, policy) = (Backoff::default(), policy());
        assert_eq!(waits(&mut backoff, &policy, 3), [100, 200, 400]);
        backoff.on_loss(Duration::from_secs(59), &policy);
        assert_eq!(waits(&mut backoff, &policy, 1), [800], "it continues");
        backoff.on_loss(Duration::from_secs(60), &policy);
        assert_eq!(waits(&mut backoff, &policy, 2), [100, 200]);
    }

    #[test]
    fn attempts_are_counted_since_the_last_stable_connection() {
        let (mut backoff, policy) = (Backoff::default(), policy().max_attempts(2));
        waits(&mut backoff, &policy, 1);
        backoff.on_loss(Duration::from_secs(1), &policy);
        waits(&mut backoff, &policy, 1);
        assert_eq!(backoff.next(&policy, Cause::Lost(&GONE), 1.0), None);
        backoff.on_loss(Duration::from_secs(61), &policy);
        waits(&mut backoff, &policy, 2);
    }

    #[test]
    fn refusals_are_final_unless_they_are_temporary() {
        let policy = policy().retry_status(StatusCode::NOT_FOUND);
        let is_retried = |error: ConnectError| {
            Backoff::default().next(&policy, Cause::Failed(&error, SystemTime::now()), 1.0).is_some()
        };
        for status in [200, 302, 400, 401, 403, 410] {
            assert!(!is_retried(refused(status, &[])), "{status}");
        }
        for status in [404, 408, 425, 429, 500, 502, 503] {
            assert!(is_retried(refused(status, &[])), "{status}");
        }
        assert!(is_retried(ConnectError::Timeout { after: Duration::ZERO }));
        assert!(is_retried(ConnectError::Io(std::io::ErrorKind::ConnectionRefused.into())));
        assert!(!is_retried(ConnectError::TlsNotEnabled));
    }

    #[test]
    fn a_close_code_of_the_server_may_be_final() {
        let is_retried = |code| {
            let reason = CloseReason::Peer { code, reason: "".into() };
            Backoff::default().next(&policy(), Cause::Lost(&reason), 1.0).is_some()
        };
        for code in [1000, 4403] {
            assert!(!is_retried(Some(code)), "{code}");
        }
        for code in [Some(1001), Some(1012), Some(4401), None] {
            assert!(is_retried(code), "{code:?}");
        }
    }

    #[test]
    fn a_refused_token_is_replaced_at_once_and_then_with_the_backoff() {
        let expired = CloseReason::Peer { code: Some(4401), reason: "".into() };
        let (error, now) = (refused(401, &[]), SystemTime::now());
        let (lost, failed) = (Cause::Lost(&expired), Cause::Failed(&error, now));
        let policy = policy().max_attempts(4);

        let mut backoff = Backoff::new(Renewal::Possible);
        let mut next = |cause| backoff.next(&policy, cause, 1.0).map(|wait| wait.as_millis());
        let waits = [lost, failed, Cause::Lost(&GONE), failed, failed].map(&mut next);
        assert_eq!(waits, [Some(0), Some(200), Some(400), Some(800), None]);
        backoff.on_loss(Duration::from_secs(61), &policy);
        assert_eq!(backoff.next(&policy, failed, 1.0), Some(Duration::ZERO), "after a stable connection");

        let mut backoff = Backoff::new(Renewal::Never);
        assert_eq!(backoff.next(&policy, lost, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(backoff.next(&policy, failed, 1.0), None, "the same token would be refused again");
    }

    #[test]
    fn retry_after_is_the_least_wait_within_its_limit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |value: &str| {
            let error = refused(503, &[("retry-after", value)]);
            Backoff::default().next(&policy(), Cause::Failed(&error, now), 0.5).unwrap().as_millis()
        };
        assert_eq!(wait("7"), 7_050);
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), 10_050, "ten seconds on");
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), 50, "in the past");
        assert_eq!(wait("soon"), 50);
        assert_eq!(wait("999999999"), 300_050);
    }
}
