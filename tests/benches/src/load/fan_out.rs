//! One member sends, all members receive. An item is one delivery.

use mio::{Events, Poll};

use super::{
    Sample, connect,
    echo::{EVENTS, TICK},
    frames::Exchange,
    lane::{Lane, READ_BYTES},
    stopwatch::Stopwatch,
};
use crate::process::Endpoint;

pub(super) fn run(
    server: &Endpoint,
    exchange: &Exchange,
    members: usize,
    mut stopwatch: Stopwatch<'_>,
) -> anyhow::Result<Sample> {
    let mut poll = Poll::new()?;
    let mut lanes = Vec::with_capacity(members);
    for index in 0..members {
        let mut stream = connect::open_with(server, exchange.offer)?.0;
        // A member that had not joined yet would miss the first message.
        connect::ping(&mut stream)?;
        lanes.push(Lane::new(&poll, index, stream)?);
    }
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS);
    let (mut published, mut delivered) = (1, 0);
    stopwatch.begin();
    loop {
        lanes[0].send_up_to(published, &exchange.requests)?;
        poll.poll(&mut events, Some(TICK))?;
        for event in &events {
            delivered += lanes[event.token().0].receive(&exchange.replies, &mut buffer)?;
        }
        if delivered < published * members as u64 {
            stopwatch.check_progress()?;
            continue;
        }
        // The clocks are read only between two messages, so that no message is half delivered.
        if let Some(sample) = stopwatch.tick(members as u64)? {
            return Ok(sample);
        }
        published += 1;
    }
}
