//! One node with so many connections over memory, measured by its own process: behind hyper and
//! the tower service, which are the only public way from a stream to a connection.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use nix::time::ClockId;
use tokio::time::{sleep, timeout};
use ws_core::app::WsService;

use super::{PATH, SERVER, growth};
use crate::{
    growth::{
        BROADCASTS, Client, Figures, HEARTBEAT, JOIN, Memory, OPENING, Phases, Reading, Tally, WARM_UP, Wire,
        ask, members, publish, publish_to_room,
    },
    heap,
    load::connect,
    process::resident_bytes_of,
};

/// Longer than the delivery of one message to all takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time before memory is read.
const REST: Duration = Duration::from_millis(500);

/// Any address will do for the header `Host`.
const HOST: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

pub(crate) async fn run(connections: usize) -> anyhow::Result<()> {
    let figures = measure(connections).await?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

async fn measure(connections: usize) -> anyhow::Result<Figures> {
    let (service, running) = growth::app().into_service(SERVER).await?;
    let mut crowd = Crowd {
        service,
        tally: Arc::default(),
        clients: Vec::with_capacity(connections),
        published: 0,
        expected: 0,
    };
    crowd.open(WARM_UP).await;
    crowd.broadcast().await?;
    sleep(REST).await;
    let (resident, allocated) = (resident_bytes_of("self")?, heap::allocated());
    let opened = connections - WARM_UP;

    let before = crowd.read()?;
    crowd.open(connections).await;
    let opening = before.until(crowd.read()?);

    crowd.broadcast().await?;
    sleep(REST).await;
    let (resident_after, allocated_after) = (resident_bytes_of("self")?, heap::allocated());

    let before = crowd.read()?;
    sleep(2 * HEARTBEAT).await;
    let idle = before.until(crowd.read()?);

    let before = crowd.read()?;
    for _ in 0..BROADCASTS.clamp_to(connections) {
        crowd.broadcast().await?;
    }
    let broadcasts = before.until(crowd.read()?);

    let room = members(connections);
    crowd.join(room).await?;
    let before = crowd.read()?;
    for _ in 0..BROADCASTS.clamp_to(room) {
        crowd.tell_room(room).await?;
    }
    let room = before.until(crowd.read()?);

    let before = crowd.read()?;
    growth::check(running.shutdown().await)?;
    let drain = before.until(crowd.read()?);
    let counts = crowd.tally.now();
    ensure!(counts.failed == 0, "{} members failed", counts.failed);
    let grown = |before: u64, after: u64| {
        (after.saturating_sub(before) as f64 / opened as f64 - Wire::BYTES as f64).max(0.0)
    };
    let memory = Memory {
        resident: grown(resident, resident_after),
        allocated: allocated.zip(allocated_after).map(|(before, after)| grown(before, after)),
        kernel: None,
    };
    let phases = Phases { opening, idle, broadcasts, room, drain };
    Ok(phases.figures(connections, memory, counts.seen, crowd.expected))
}

/// The members, whose ends are in this process.
struct Crowd {
    service: WsService,
    tally: Arc<Tally>,
    clients: Vec<Client>,
    /// The messages that were sent to all, and the number of deliveries that they need.
    published: u32,
    expected: u64,
}

impl Crowd {
    fn read(&self) -> anyhow::Result<Reading> {
        let cpu = ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?;
        Ok(Reading::now(cpu.into(), self.tally.now().seen))
    }

    /// Opens connections until there are so many, with `OPENING` handshakes at the same time.
    async fn open(&mut self, connections: usize) {
        let request = connect::request(HOST.into(), PATH);
        while self.clients.len() < connections {
            let (wire, client) = Wire::new(&request, self.published, &self.tally);
            self.clients.push(client);
            let http = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(wire), TowerToHyperService::new(self.service.clone()))
                .with_upgrades();
            // Its result says nothing that the tally does not know.
            tokio::spawn(async move {
                let _ = http.await;
            });
            self.tally.opened(self.clients.len().saturating_sub(OPENING)).await;
        }
        self.tally.opened(connections).await;
    }

    /// Lets the first member send a message, and waits until all members have it.
    async fn broadcast(&mut self) -> anyhow::Result<()> {
        self.send(&publish(self.published), self.clients.len()).await
    }

    /// Lets the first members join the room.
    async fn join(&self, members: usize) -> anyhow::Result<()> {
        let goal = self.tally.now().seen.answers + members as u64;
        self.clients.iter().take(members).for_each(|client| client.send(&ask(JOIN)));
        let all = timeout(PATIENCE, self.tally.answers(goal)).await;
        ensure!(all.is_ok(), "answers are missing: {:?}", self.tally.now());
        Ok(())
    }

    /// Lets the first member send a message to the room of so many, and waits until they have it. No
    /// message to all may follow.
    async fn tell_room(&mut self, members: usize) -> anyhow::Result<()> {
        self.send(&publish_to_room(self.published), members).await
    }

    /// Sends a message as the first member, and waits until so many have it.
    async fn send(&mut self, frame: &[u8], members: usize) -> anyhow::Result<()> {
        self.published += 1;
        self.expected += members as u64;
        if let Some(client) = self.clients.first() {
            client.send(frame);
        }
        let all = timeout(PATIENCE, self.tally.messages(self.expected)).await;
        ensure!(all.is_ok(), "messages are missing: {:?}", self.tally.now());
        Ok(())
    }
}
