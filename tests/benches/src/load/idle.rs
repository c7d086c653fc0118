//! The memory of connections that have exchanged one message and are idle since.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{Sample, connect, frames::Exchange};
use crate::process::ServerProcess;

/// Connections that are opened, used and closed before, so that one-time allocations are not
/// counted.
const WARM_UP_CONNECTIONS: usize = 8;

/// The server's memory is at rest when it has not changed for `REST`. After `MOST_REST` it is read
/// anyway.
const REST: Duration = Duration::from_millis(200);
const MOST_REST: Duration = Duration::from_secs(3);

pub(super) fn run(
    process: &ServerProcess,
    exchange: &Exchange,
    connections: usize,
) -> anyhow::Result<Sample> {
    drop(open_all(process, exchange, WARM_UP_CONNECTIONS)?);
    let before = at_rest(process)?;
    let open = open_all(process, exchange, connections)?;
    let after = at_rest(process)?;
    let bytes = after.saturating_sub(before) as f64 / open.len() as f64;
    Ok(Sample { value: bytes, pace: None })
}

fn open_all(
    process: &ServerProcess,
    exchange: &Exchange,
    connections: usize,
) -> anyhow::Result<Vec<TcpStream>> {
    let request = exchange.requests.at(0, exchange.requests.frame_len());
    let mut reply = vec![0; exchange.replies.frame_len() as usize];
    let open = |_| {
        let mut stream = connect::open_with(process.endpoint(), exchange.offer)?.0;
        stream.write_all(request)?;
        stream.read_exact(&mut reply).context("no reply")?;
        ensure!(exchange.replies.matches(0, &reply), "the received bytes differ from the sent ones");
        Ok(stream)
    };
    (0..connections).map(open).collect()
}

/// Returns the resident memory once it no longer changes.
pub(crate) fn at_rest(process: &ServerProcess) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut last = process.resident_bytes()?;
    loop {
        thread::sleep(REST);
        let now = process.resident_bytes()?;
        if now == last || begun.elapsed() > MOST_REST {
            return Ok(now);
        }
        last = now;
    }
}
