//! All times of one connection in one timer: the heartbeat, its idleness, the close deadline, the
//! deadline of a running callback, the looks at the peer while nothing is read, and the end of its
//! token or lifetime.
//!
//! No task and no allocation, and no look at the clock while messages come in unless idleness is limited: the timer is
//! looked at when it fires. Messages do not move it either; whether there was one is looked at then.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::{config::Heartbeat, fixed};

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send a ping; the answer is due after the heartbeat's timeout.
    Ping,
    /// The peer should have shown a sign of life since the ping, or the next ping waits for one.
    SignOfLife,
    /// A look at the peer; once the connection ends, the closing has to go on, or to end.
    Step,
    /// The token of the connection has expired, or its lifetime is over.
    Expired,
    /// No message went either way for as long as may be.
    Idle,
}

/// What the heartbeat waits for.
#[derive(Clone, Copy, Debug)]
enum Beat {
    Off,
    /// To send a ping.
    Ping(Instant),
    /// For anything from the peer; `next` is when the next ping goes out if something has come.
    Sign {
        by: Instant,
        next: Instant,
    },
}

/// How long no message went either way.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// As long as it may be.
    longest: Duration,
    since: Instant,
    /// When that is looked at next: not later than it is over.
    look_at: Instant,
}

pub(crate) struct Timers<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// What `sleep` is set to, and has the task's waker for; `None` while it is not in use.
    set_to: Option<Instant>,
    heartbeat: &'a Heartbeat,
    beat: Beat,
    /// Boxed, because mostly it may last.
    silence: Option<Box<Silence>>,
    callback_by: Option<Instant>,
    /// The next look at the peer, as long as nothing is read; once the connection ends, the
    /// deadline of the closing.
    step_by: Option<Instant>,
}

impl<'a> Timers<'a> {
    pub(crate) fn new(sleep: Pin<&'a mut Sleep>, heartbeat: &'a Heartbeat) -> Self {
        let now = Instant::now();
        let silence = |longest| Box::new(Silence { longest, since: now, look_at: now + longest });
        Self {
            sleep,
            set_to: None,
            heartbeat,
            beat: heartbeat.interval.map_or(Beat::Off, |interval| Beat::Ping(now + interval)),
            silence: heartbeat.idle.map(silence),
            callback_by: None,
            step_by: None,
        }
    }

    /// Asks for looks at the peer, as long as nothing is read. Only for a connection that does not
    /// end yet.
    pub(crate) fn look_while(&mut self, is_blind: bool) {
        match self.step_by {
            None if is_blind => self.look_again(),
            Some(_) if !is_blind => self.step_by = None,
            _ => {}
        }
    }

    /// Asks for the next look.
    pub(crate) fn look_again(&mut self) {
        self.step_by = Some(Instant::now() + fixed::LOOK_INTERVAL);
    }

    /// The callback that runs now has to end within this time.
    pub(crate) fn callback_must_end(&mut self, within: Option<Duration>) {
        self.callback_by = within.map(|within| Instant::now() + within);
    }

    pub(crate) fn is_callback_overdue(&self) -> bool {
        self.callback_by.is_some_and(|by| by <= Instant::now())
    }

    /// The next step of the closing has to come within this time; the heartbeat stops.
    pub(crate) fn close_must_go_on(&mut self, within: Duration) {
        self.beat = Beat::Off;
        self.silence = None;
        self.step_by = Some(Instant::now() + within);
    }

    /// Nothing is left to close; only a callback may still run.
    pub(crate) fn closed(&mut self) {
        self.beat = Beat::Off;
        self.silence = None;
        self.step_by = None;
    }

    /// A message came or is on its way, or there is another reason not to call the connection idle.
    pub(crate) fn not_idle(&mut self) {
        if let Some(silence) = &mut self.silence {
            silence.since = Instant::now();
        }
    }

    /// Nothing came since the ping, and the peer has still time to show that it is alive: the next ping waits until then.
    pub(crate) fn may_still_come(&mut self, now: Instant) -> bool {
        match &mut self.beat {
            Beat::Sign { by, next } if now < *by => {
                *next = *by;
                true
            }
            _ => false,
        }
    }

    /// Gives the peer more time than the heartbeat's timeout: the last ping stands behind bytes
    /// that it has to read first.
    pub(crate) fn allow(&mut self, more: Duration) {
        if let Beat::Sign { by, .. } = &mut self.beat {
            *by += more;
        }
    }

    /// The peer is alive, or its silence proves nothing: the next ping goes out in its turn.
    pub(crate) fn peer_is_alive(&mut self, now: Instant) {
        if let Beat::Sign { next, .. } = self.beat {
            self.beat = Beat::Ping(next.max(now));
        }
    }

    /// Returns the timer that is due. `None` also registers the task for the next one. `expires` is
    /// when the connection ends by itself, if it does not end yet.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, expires: Option<Instant>) -> Option<Due> {
        loop {
            let beat = match self.beat {
                Beat::Off => None,
                Beat::Ping(at) => Some(at),
                Beat::Sign { by, next } => Some(by.min(next)),
            };
            let silence = self.silence.as_ref().map(|silence| silence.look_at);
            let times = [beat, silence, self.callback_by, self.step_by, expires];
            let next = times.into_iter().flatten().min()?;
            if self.set_to == Some(next) {
                // The task has one waker all its life, so there is nothing to register anew.
                if !self.sleep.is_elapsed() {
                    return None;
                }
            } else {
                self.sleep.as_mut().reset(next);
                self.set_to = Some(next);
            }
            if self.sleep.as_mut().poll(cx) == Poll::Pending {
                return None;
            }
            self.set_to = None;
            let now = Instant::now();
            if self.step_by.is_some_and(|by| by <= now) {
                return Some(Due::Step);
            }
            if expires.is_some_and(|at| at <= now) {
                return Some(Due::Expired);
            }
            if let Some(silence) = &mut self.silence {
                silence.look_at = silence.since + silence.longest;
                if silence.look_at <= now {
                    return Some(Due::Idle);
                }
            }
            match self.beat {
                Beat::Ping(at) if at <= now => {
                    let interval = self.heartbeat.interval.unwrap_or_default();
                    self.beat = Beat::Sign { by: now + self.heartbeat.timeout, next: now + interval };
                    return Some(Due::Ping);
                }
                Beat::Sign { by, next } if by.min(next) <= now => return Some(Due::SignOfLife),
                _ => {}
            }
            if self.is_callback_overdue() {
                // `Driver::run` sees it right after this turn.
                return None;
            }
        }
    }
}
