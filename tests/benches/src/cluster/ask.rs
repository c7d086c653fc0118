//! The time of an ask of a user whose client is connected to the other node: one ask after another,
//! and 64 at once. The asking node measures it. The client is a thread of this process that answers
//! each ask at once. Nothing is pinned.

use std::{
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::{
    ASK, Dialect, FAILED, IDENTIFY, JOINED, Setting,
    broker::{Broker, Kind},
    dialect::{expect, receive, send},
    nodes,
    report::Row,
};
use crate::machine;

const ONE_BY_ONE: usize = 4000;
/// The number of asks at once: one connection may have no more outstanding asks.
const AT_ONCE: usize = 64;
const ASKS_AT_ONCE: usize = 16_000;

/// The longest time until the asking node finds the client.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let broker = Broker::start(kind)?;
    let asked = nodes::start(Dialect::Ours, Some(&broker), None)?;
    let asking = nodes::start(Dialect::Ours, Some(&broker), None)?;
    let mut client = Dialect::Ours.open(asked.endpoint())?;
    send(&mut client, IDENTIFY)?;
    expect(&mut client, JOINED)?;
    let control = Dialect::Ours.open(asking.endpoint())?;
    let end = client.try_clone()?;
    let answering = thread::spawn(move || answer(client));
    let rows = measure(control, setting.scale);
    // Ends the thread, which is blocked in a read.
    let _ = end.shutdown(Shutdown::Both);
    let answered = answering.join().ok().context("the client has panicked")?;
    rows.with_context(|| format!("{answered} asks were answered"))
}

fn measure(mut control: TcpStream, scale: usize) -> anyhow::Result<Vec<Row>> {
    warm_up(&mut control)?;
    let [p50, p99, _] = ask(&mut control, ONE_BY_ONE / scale, 1)?;
    let [many_p50, many_p99, per_second] = ask(&mut control, ASKS_AT_ONCE / scale, AT_ONCE)?;
    let case = "ask of a client of another node";
    Ok(vec![
        Row::new(format!("{case}, p50"), "ms", p50),
        Row::new(format!("{case}, p99"), "ms", p99),
        Row::new(format!("{case}, {AT_ONCE} at once, p50"), "ms", many_p50),
        Row::new(format!("{case}, {AT_ONCE} at once, p99"), "ms", many_p99),
        Row::new(format!("{case}, {AT_ONCE} at once"), "per second", per_second),
    ])
}

/// Asks until the user is found, because no call waits until the user's channel is subscribed.
fn warm_up(control: &mut TcpStream) -> anyhow::Result<()> {
    let begun = Instant::now();
    while let Err(error) = ask(control, 1, 1) {
        ensure!(begun.elapsed() < PATIENCE, error);
    }
    ask(control, AT_ONCE * 10, AT_ONCE)?;
    Ok(())
}

/// Lets the node ask. Returns the times of rank 0.5 and 0.99 in milliseconds, and the asks per
/// second.
fn ask(control: &mut TcpStream, asks: usize, at_once: usize) -> anyhow::Result<[f64; 3]> {
    send(control, &format!("{ASK}{asks} {at_once}"))?;
    let text = receive(control)?;
    if let Some(error) = text.strip_prefix(FAILED) {
        bail!("an ask failed: {error}");
    }
    Ok(serde_json::from_str(&text)?)
}

/// Answers each ask until the connection ends. Returns the number of answers.
fn answer(mut client: TcpStream) -> u64 {
    let mut answered = 0;
    while let Ok(text) = receive(&mut client) {
        let Ok(ask) = serde_json::from_str::<Value>(&text) else { break };
        let answer = json!({ "event": ask["event"], "data": ask["data"], "ref": ask["ref"] });
        if send(&mut client, &answer.to_string()).is_err() {
            break;
        }
        answered += 1;
    }
    answered
}
