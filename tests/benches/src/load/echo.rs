//! Requests and replies on many connections, with a fixed number in flight on each.

use std::time::Duration;

use mio::{Events, Poll};

use super::{
    Sample, connect,
    frames::Exchange,
    lane::{Lane, READ_BYTES},
    stopwatch::Stopwatch,
};
use crate::process::Endpoint;

/// The longest wait for epoll events; after it the stopwatch is checked.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// The number of events that are fetched at once.
pub(crate) const EVENTS: usize = 1024;

pub(super) fn run(
    server: &Endpoint,
    exchange: &Exchange,
    in_flight: usize,
    connections: usize,
    mut stopwatch: Stopwatch<'_>,
) -> anyhow::Result<Sample> {
    let mut poll = Poll::new()?;
    let mut lanes = Vec::with_capacity(connections);
    for index in 0..connections {
        lanes.push(Lane::new(&poll, index, connect::open_with(server, exchange.offer)?.0)?);
    }
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS);
    stopwatch.begin();
    for lane in &mut lanes {
        lane.send_up_to(in_flight as u64, &exchange.requests)?;
    }
    loop {
        poll.poll(&mut events, Some(TICK))?;
        let mut replies = 0;
        for event in &events {
            let lane = &mut lanes[event.token().0];
            replies += lane.receive(&exchange.replies, &mut buffer)?;
            let allowed = lane.received_frames(&exchange.replies) + in_flight as u64;
            lane.send_up_to(allowed, &exchange.requests)?;
        }
        if let Some(sample) = stopwatch.tick(replies)? {
            return Ok(sample);
        }
    }
}
