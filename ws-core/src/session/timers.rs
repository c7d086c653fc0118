//! [`Timers`]: all times of one connection: the heartbeat, the idle limit, the expiry of the token
//! or the lifetime, the checks of the peer while nothing is read, the deadline of a running
//! callback, the close deadline.
//!
//! The first three set the connection's alarm, which a sleeping connection shares with all others
//! (`hub/wheel.rs`). The deadlines are exact and have a timer of their own, which exists while one
//! of them runs. The driver polls the timers before it sleeps and acts on the one that is due. A
//! message must not set an alarm: only when the alarm fires, the timers check whether there was a
//! message. So a message needs no clock read, unless the idle time is limited.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{config::Heartbeat, connection::Connection, fixed};

/// A timer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A ping has to be sent. The pong is due after the heartbeat's timeout.
    Ping,
    /// The time for the pong has passed, or the next ping is due if anything has arrived since the
    /// last one.
    SignOfLife,
    /// The driver has to check whether the peer has closed its side. Once the connection has begun
    /// to end: the deadline of the current closing step has passed.
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
    check_at: Instant,
}

pin_project! {
    /// The exact deadlines, with their timer.
    ///
    /// `callback_by` is the deadline of the running callback. Between the last message and
    /// `on_close` it is the deadline of the connection's tasks. `step_by` is the time of the next
    /// check of the peer while nothing is read. Once the connection has begun to end, it is the
    /// deadline of the current closing step.
    struct Deadlines {
        callback_by: Option<Instant>,
        step_by: Option<Instant>,
        #[pin]
        sleep: Sleep,
    }
}

impl Deadlines {
    fn first(&self) -> Option<Instant> {
        [self.callback_by, self.step_by].into_iter().flatten().min()
    }
}

// The first fields are those that each wake-up touches, see `Session`.
#[repr(C)]
pub(crate) struct Timers {
    /// Whether the alarm and the timer of the deadlines are set, with the task's waker registered.
    is_set: bool,
    /// Boxed, because the idle limit is off by default.
    silence: Option<Box<Silence>>,
    /// `None` while the connection sleeps without a deadline.
    deadlines: Option<Pin<Box<Deadlines>>>,
    heartbeat: Arc<Heartbeat>,
    beat: Beat,
    /// The time to which the connection's alarm is set.
    alarm: Option<Instant>,
}

impl Timers {
    pub(crate) fn new(heartbeat: Arc<Heartbeat>) -> Self {
        let now = Instant::now();
        let silence = |longest| Box::new(Silence { longest, since: now, check_at: now + longest });
        Self {
            beat: heartbeat.interval.map_or(Beat::Off, |interval| Beat::Ping(now + interval)),
            silence: heartbeat.idle.map(silence),
            heartbeat,
            deadlines: None,
            alarm: None,
            is_set: false,
        }
    }

    /// Starts the checks of the peer if `must_check`, else stops them. Must not be called once the
    /// connection has begun to end.
    pub(crate) fn check_peer_while(&mut self, must_check: bool) {
        match self.step_by() {
            None if must_check => self.schedule_peer_check(),
            Some(_) if !must_check => self.set_step(None),
            _ => {}
        }
    }

    /// Sets the time of the next check of the peer.
    pub(crate) fn schedule_peer_check(&mut self) {
        self.set_step(Some(Instant::now() + fixed::PEER_CHECK_INTERVAL));
    }

    /// Sets the deadline of the callback that runs now.
    pub(crate) fn set_callback_deadline(&mut self, by: Option<Instant>) {
        if by.is_some() || self.callback_by().is_some() {
            *self.deadlines().project().callback_by = by;
        }
    }

    /// Sets the deadline of the connection's tasks, unless it is set already. No callback runs.
    pub(crate) fn set_tasks_deadline(&mut self, within: Duration) {
        if self.callback_by().is_none() {
            self.set_callback_deadline(Some(Instant::now() + within));
        }
    }

    pub(crate) fn is_callback_overdue(&self) -> bool {
        self.callback_by().is_some_and(|by| by <= Instant::now())
    }

    /// Sets the deadline of the next closing step, and stops the heartbeat and the idle limit.
    pub(crate) fn set_close_deadline(&mut self, within: Duration) {
        self.stop(Some(Instant::now() + within));
    }

    /// Stops all timers except the deadline of a running callback or of the tasks, because the
    /// closing steps are done.
    pub(crate) fn closed(&mut self) {
        self.stop(None);
    }

    fn stop(&mut self, step_by: Option<Instant>) {
        self.beat = Beat::Off;
        self.silence = None;
        self.is_set = false;
        self.set_step(step_by);
    }

    fn step_by(&self) -> Option<Instant> {
        self.deadlines.as_ref().and_then(|deadlines| deadlines.step_by)
    }

    fn callback_by(&self) -> Option<Instant> {
        self.deadlines.as_ref().and_then(|deadlines| deadlines.callback_by)
    }

    fn set_step(&mut self, by: Option<Instant>) {
        if by.is_some() || self.step_by().is_some() {
            *self.deadlines().project().step_by = by;
        }
    }

    /// Returns the deadlines to change them.
    fn deadlines(&mut self) -> Pin<&mut Deadlines> {
        self.is_set = false;
        let deadlines = self.deadlines.get_or_insert_with(|| {
            Box::pin(Deadlines { callback_by: None, step_by: None, sleep: sleep_until(Instant::now()) })
        });
        deadlines.as_mut()
    }

    /// Records that the alarm has fired, or that the time of the expiry was changed.
    pub(crate) fn ring(&mut self) {
        self.alarm = None;
        self.is_set = false;
    }

    /// Restarts the idle time: a message was received or is being sent, or a callback runs.
    pub(crate) fn restart_idle_time(&mut self) {
        if let Some(silence) = &mut self.silence {
            silence.since = Instant::now();
        }
    }

    /// Postpones the next ping to the end of the time for the pong of the last one. Returns false
    /// if that time has passed.
    pub(crate) fn postpone_ping(&mut self, now: Instant) -> bool {
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

    /// Whether [`poll`](Self::poll) has nothing to do: no time has changed since the last call, and
    /// no deadline has passed.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_set && self.deadlines.as_ref().is_none_or(|deadlines| !deadlines.sleep.is_elapsed())
    }

    /// Returns the timer that is due. If none is, sets the alarm of the connection and the timer of
    /// the deadlines. `expires` is the time of [`Due::Expired`]; `None` once the connection has
    /// begun to end.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &Connection,
        expires: Option<Instant>,
    ) -> Option<Due> {
        self.is_set = false;
        loop {
            let due = self.due(Instant::now(), expires);
            if due.is_some() || self.is_callback_overdue() {
                // The driver checks the deadline of a callback directly after the turn.
                return due;
            }
            self.set_alarm(conn, expires);
            if self.poll_deadlines(cx).is_pending() {
                self.is_set = true;
                return None;
            }
        }
    }

    fn due(&mut self, now: Instant, expires: Option<Instant>) -> Option<Due> {
        if self.step_by().is_some_and(|by| by <= now) {
            return Some(Due::Step);
        }
        if expires.is_some_and(|at| at <= now) {
            return Some(Due::Expired);
        }
        if let Some(silence) = &mut self.silence
            && silence.check_at <= now
        {
            silence.check_at = silence.since + silence.longest;
            if silence.check_at <= now {
                return Some(Due::Idle);
            }
        }
        match self.beat {
            Beat::Ping(at) if at <= now => {
                let interval = self.heartbeat.interval.unwrap_or_default();
                self.beat = Beat::Sign { by: now + self.heartbeat.timeout, next: now + interval };
                Some(Due::Ping)
            }
            Beat::Sign { by, next } if by.min(next) <= now => Some(Due::SignOfLife),
            _ => None,
        }
    }

    fn set_alarm(&mut self, conn: &Connection, expires: Option<Instant>) {
        let beat = match self.beat {
            Beat::Off => None,
            Beat::Ping(at) => Some(at),
            Beat::Sign { by, next } => Some(by.min(next)),
        };
        let silence = self.silence.as_ref().map(|silence| silence.check_at);
        let alarm = [beat, silence, expires].into_iter().flatten().min();
        if alarm != self.alarm {
            self.alarm = alarm;
            match alarm {
                Some(at) => conn.live().set_alarm(conn, at),
                None => conn.alarm().clear(),
            }
        }
    }

    /// Ready if a deadline has passed.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadlines) = &mut self.deadlines else { return Poll::Pending };
        let Some(first) = deadlines.first() else {
            self.deadlines = None;
            return Poll::Pending;
        };
        let mut sleep = deadlines.as_mut().project().sleep;
        if sleep.deadline() != first {
            sleep.as_mut().reset(first);
        }
        sleep.poll(cx)
    }
}
