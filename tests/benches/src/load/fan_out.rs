//! One member sends, all members receive. An item is one delivery.

use std::net::SocketAddr;

use mio::{Events, Poll};

use super::{
    Sample, connect,
    echo::{EVENTS, TICK},
    frames::Exchange,
    lane::{Lane, READ_BYTES},
    stopwatch::Stopwatch,
};

pub(super) fn run(
    server: SocketAddr,
    bytes: usize,
    members: usize,
    mut stopwatch: Stopwatch<'_>,
) -> anyhow::Result<Sample> {
    let exchange = Exchange::echo(true, bytes, 1)?;
    let mut poll = Poll::new()?;
    let mut lanes = Vec::with_capacity(members);
    for index in 0..members {
        let mut stream = connect::open(server)?;
        // A member that had not joined yet would miss the first message.
        connect::ping(&mut stream)?;
        lanes.push(Lane::new(&poll, index, stream)?);
    }
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS);
    let (mut published, mut delivered) = (0, 0);
    stopwatch.begin();
    loop {
        if delivered == published * members as u64 {
            published += 1;
        }
        lanes[0].send_up_to(published, &exchange.requests)?;
        poll.poll(&mut events, Some(TICK))?;
        let mut now = 0;
        for event in &events {
            now += lanes[event.token().0].receive(&exchange.replies, &mut buffer)?;
        }
        delivered += now;
        if let Some(sample) = stopwatch.tick(now)? {
            return Ok(sample);
        }
    }
}
