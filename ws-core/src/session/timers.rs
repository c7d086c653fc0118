//! [`Timers`]: all deadlines of one connection in one timer: the heartbeat, the idle limit, the
//! close deadline, the deadline of a running callback, the checks of the peer while nothing is
//! read, and the expiry of the token or the lifetime.
//!
//! The driver polls the timers once per turn and acts on the one that is due. Timers need no task
//! and no allocation. Messages must not reset the timer: it fires at its set time, and only then is
//! it checked whether there was a message. So a message needs no clock read, unless the idle time
//! is limited.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::{config::Heartbeat, fixed};

/// A timer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A ping has to be sent. The pong is due after the heartbeat's timeout.
    Ping,
    /// The time for the pong has passed, or the next ping is due if anything has arrived since the
    /// last one.
    SignOfLife,
    /// The transport has to be checked for the end of the peer. After the connection has begun to
    /// end: the deadline of the current closing step has passed.
    Step,
    /// The token of the connection has expired, or its lifetime is over.
    Expired,
    /// No message was sent or received during the idle limit.
    Idle,
}

/// The state of the heartbeat.
#[derive(Clone, Copy, Debug)]
enum Beat {
    Off,
    /// The next ping is sent at this time.
    Ping(Instant),
    /// A ping was sent. The peer must send something before `by`; the next ping is sent at `next`
    /// if something has arrived.
    Sign {
        by: Instant,
        next: Instant,
    },
}

/// The time since the last message in either direction.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// The idle limit.
    longest: Duration,
    since: Instant,
    /// The time of the next check, at or before `since + longest`.
    look_at: Instant,
}

pub(crate) struct Timers<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// The time to which `sleep` is set, with the task's waker registered. `None` while `sleep` is
    /// not in use.
    set_to: Option<Instant>,
    heartbeat: &'a Heartbeat,
    beat: Beat,
    /// Boxed, because the idle limit is off by default.
    silence: Option<Box<Silence>>,
    /// The deadline of the running callback. After the last callback but `on_close`: the deadline of
    /// the connection's tasks.
    callback_by: Option<Instant>,
    /// The time of the next check of the transport, while nothing is read. After the connection has
    /// begun to end: the deadline of the current closing step.
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

    /// Starts the checks of the transport if `is_blind`, else stops them. Must not be called once
    /// the connection has begun to end.
    pub(crate) fn look_while(&mut self, is_blind: bool) {
        match self.step_by {
            None if is_blind => self.look_again(),
            Some(_) if !is_blind => self.step_by = None,
            _ => {}
        }
    }

    /// Sets the time of the next check of the transport.
    pub(crate) fn look_again(&mut self) {
        self.step_by = Some(Instant::now() + fixed::LOOK_INTERVAL);
    }

    /// Sets the deadline of the callback that runs now.
    pub(crate) fn callback_must_end(&mut self, within: Option<Duration>) {
        self.callback_by = within.map(|within| Instant::now() + within);
    }

    /// Sets the deadline of the connection's tasks, unless it is set already. No callback runs.
    pub(crate) fn tasks_must_end(&mut self, within: Duration) {
        self.callback_by.get_or_insert_with(|| Instant::now() + within);
    }

    pub(crate) fn is_callback_overdue(&self) -> bool {
        self.callback_by.is_some_and(|by| by <= Instant::now())
    }

    /// Sets the deadline of the next closing step, and stops the heartbeat and the idle limit.
    pub(crate) fn close_must_go_on(&mut self, within: Duration) {
        self.beat = Beat::Off;
        self.silence = None;
        self.step_by = Some(Instant::now() + within);
    }

    /// Stops all timers but the deadline of a running callback or of the tasks, since nothing is left to close.
    pub(crate) fn closed(&mut self) {
        self.beat = Beat::Off;
        self.silence = None;
        self.step_by = None;
    }

    /// Restarts the idle time: a message was received or is being sent, or a callback runs.
    pub(crate) fn not_idle(&mut self) {
        if let Some(silence) = &mut self.silence {
            silence.since = Instant::now();
        }
    }

    /// Returns whether the peer still has time to answer the last ping. If so, the next ping is
    /// postponed to the end of that time.
    pub(crate) fn may_still_come(&mut self, now: Instant) -> bool {
        match &mut self.beat {
            Beat::Sign { by, next } if now < *by => {
                *next = *by;
                true
            }
            _ => false,
        }
    }

    /// Extends the time for the pong. The peer has to read the bytes in front of the last ping
    /// first.
    pub(crate) fn allow(&mut self, more: Duration) {
        if let Beat::Sign { by, .. } = &mut self.beat {
            *by += more;
        }
    }

    /// Schedules the next ping as usual: the peer has sent something, or this side did not read.
    pub(crate) fn peer_is_alive(&mut self, now: Instant) {
        if let Beat::Sign { next, .. } = self.beat {
            self.beat = Beat::Ping(next.max(now));
        }
    }

    /// Returns the timer that is due. If none is, registers the task for the next one. `expires` is
    /// the time of [`Due::Expired`]; `None` once the connection has begun to end.
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
                // A task keeps its waker, so the registration is still valid.
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
                // `Driver::run` checks this deadline directly after the turn.
                return None;
            }
        }
    }
}
