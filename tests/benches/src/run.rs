//! The interleaved run: in every round of a case each server is measured once, each round in
//! another order.
//!
//! So a disturbance of the machine affects all servers alike, and no server always runs first.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};

use crate::{
    cases::{self, Case, Contestant},
    load::{Sample, Span},
    machine::{self, Cores},
    options::Options,
    process::ServerProcess,
    report,
    stats::{Spread, three_digits},
    summary,
};

/// The file for the report of a complete run, and the one that links to it.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results.md");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

/// A case and its results.
pub(crate) struct Measured {
    pub(crate) case: Case,
    /// In the order of the case's contestants.
    pub(crate) results: Vec<Result>,
}

/// The samples of one contestant, or its error.
pub(crate) type Result = std::result::Result<Vec<Sample>, String>;

impl Measured {
    pub(crate) fn contestants(&self) -> impl Iterator<Item = (&Contestant, &Result)> {
        self.case.contestants.iter().zip(&self.results)
    }

    /// Returns the samples in this column; `None` if it did not take part or failed.
    pub(crate) fn samples_of(&self, label: &str) -> Option<&[Sample]> {
        let (_, result) = self.contestants().find(|(contestant, _)| contestant.label == label)?;
        result.as_deref().ok()
    }

    /// The median figure in this column.
    pub(crate) fn median_of(&self, label: &str) -> Option<f64> {
        let samples = self.samples_of(label)?;
        Spread::of(samples.iter().map(|sample| sample.value)).map(|spread| spread.median)
    }
}

/// Measures, shows progress on stderr, and writes the report.
pub(crate) fn measure(options: &Options) -> anyhow::Result<()> {
    let cores = Cores::choose()?;
    machine::raise_file_limit()?;
    let cases = cases::chosen(options);
    if cases.is_empty() {
        bail!(
            "no case has this name; try `echo`, `compressed`, `handshake`, `fan-out`, `typed`, `idle` or `workers`"
        );
    }
    let machine = machine::describe();
    let count = cases.len();
    let mut measured = Vec::with_capacity(count);
    for (index, case) in cases.into_iter().enumerate() {
        let progress = format!("[{}/{count}]", index + 1);
        let results = measure_case(&case, &progress, cores, options)?;
        measured.push(Measured { case, results });
    }
    let sentence = summary::sentence(&measured, &machine);
    let report = report::write(&measured, options, &machine, sentence.as_deref());
    print!("{report}");
    match &options.output {
        Some(path) => write(path, &report)?,
        None if options.is_complete() => {
            write(Path::new(RESULTS), &report)?;
            if let Some(sentence) = sentence {
                let readme = summary::shown_in(&fs::read_to_string(README)?, &sentence);
                write(Path::new(README), &readme.context("the README has no line for the benchmarks")?)?;
            }
        }
        None => {}
    }
    if measured.iter().any(|measured| measured.results.iter().any(Result::is_err)) {
        bail!("something failed; the report lists it");
    }
    Ok(())
}

pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text)?;
    eprintln!("written to {}", path.display());
    Ok(())
}

fn measure_case(case: &Case, progress: &str, cores: Cores, options: &Options) -> anyhow::Result<Vec<Result>> {
    if case.is_pinned {
        machine::pin_to(cores.generator)?;
    } else {
        machine::pin_to_all(&[cores.server, cores.generator])?;
    }
    let core = case.is_pinned.then_some(cores.server);
    let rounds = options.rounds.min(case.most_rounds);
    let span = Span::Time { warm_up: options.seconds / 4, measured: options.seconds };
    let mut results: Vec<Result> = case.contestants.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..case.contestants.len()).collect();
        order.rotate_left(round % case.contestants.len());
        for index in order {
            let (contestant, result) = (&case.contestants[index], &mut results[index]);
            let Ok(samples) = result else { continue };
            let seen = match measure_once(case, contestant, core, span) {
                Ok(sample) => {
                    samples.push(sample);
                    three_digits(sample.value)
                }
                Err(error) => {
                    let text = format!("{error:#}");
                    *result = Err(text.clone());
                    format!("failed: {text}")
                }
            };
            eprintln!(
                "{progress} {name} · round {round}/{rounds} · {label}: {seen}",
                name = case.name,
                round = round + 1,
                label = contestant.label,
            );
        }
    }
    Ok(results)
}

fn measure_once(
    case: &Case,
    contestant: &Contestant,
    core: Option<usize>,
    span: Span,
) -> anyhow::Result<Sample> {
    let pinned = core.map(machine::pinned_to);
    let process = ServerProcess::start(&contestant.server, contestant.task, pinned)?;
    case.load.run(&process, span)
}
