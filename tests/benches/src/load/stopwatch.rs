//! The beginning and the end of a measurement, and the values of the clocks.

use std::time::{Duration, Instant};

use anyhow::bail;
use nix::time::ClockId;

use super::{Pace, Sample, Span};
use crate::process::ServerProcess;

/// The longest time without progress. After it, a message was lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts items, and detects the end of the measurement.
pub(crate) struct Stopwatch<'a> {
    server: &'a ServerProcess,
    span: Span,
    begun: Instant,
    progress: Instant,
    start: Option<Reading>,
    items: u64,
}

/// All clocks at one moment.
struct Reading {
    at: Instant,
    server: Duration,
    generator: Duration,
}

impl<'a> Stopwatch<'a> {
    pub(crate) fn new(server: &'a ServerProcess, span: Span) -> anyhow::Result<Self> {
        let now = Instant::now();
        Ok(Self { server, span, begun: now, progress: now, start: None, items: 0 })
    }

    /// Begins the span, after all connections are open.
    pub(crate) fn begin(&mut self) {
        self.begun = Instant::now();
        self.progress = self.begun;
    }

    /// Records finished items. Returns the sample once the span is over.
    pub(crate) fn tick(&mut self, items: u64) -> anyhow::Result<Option<Sample>> {
        let now = Instant::now();
        if items > 0 {
            self.progress = now;
        }
        self.check_progress()?;
        let Some(start) = &self.start else {
            let warm_up = match self.span {
                Span::Time { warm_up, .. } => warm_up,
                Span::Items(_) => Duration::ZERO,
            };
            if now - self.begun >= warm_up {
                self.start = Some(self.read()?);
            }
            return Ok(None);
        };
        self.items += items;
        let is_over = match self.span {
            Span::Time { measured, .. } => now - start.at >= measured && self.items > 0,
            Span::Items(most) => self.items >= most,
        };
        if is_over { Ok(Some(self.sample(start)?)) } else { Ok(None) }
    }

    /// Fails if a message was lost.
    pub(crate) fn check_progress(&self) -> anyhow::Result<()> {
        if self.progress.elapsed() > PATIENCE {
            bail!("nothing came back for {} s", PATIENCE.as_secs());
        }
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Reading> {
        let generator = ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into();
        Ok(Reading { at: Instant::now(), server: self.server.cpu()?, generator })
    }

    fn sample(&self, start: &Reading) -> anyhow::Result<Sample> {
        let end = self.read()?;
        let seconds = (end.at - start.at).as_secs_f64();
        let server = (end.server - start.server).as_secs_f64();
        let generator = (end.generator - start.generator).as_secs_f64();
        let items = self.items as f64;
        Ok(Sample {
            value: server * 1e6 / items,
            pace: Some(Pace {
                per_second: items / seconds,
                server_share: server / seconds,
                generator_share: generator / seconds,
            }),
        })
    }
}
