//! The report of the cluster: one table, with a row for each figure.

use std::fmt::Write as _;

use super::Contestant;
use crate::{
    machine::Description,
    options::Options,
    report::versions_of,
    stats::{Spread, three_digits},
};

const NOTES: &str = "\
Medians over all rounds; in brackets the smallest and the largest value. CPU time is that of whole processes, user \
and system. Rates and times depend on the load of the machine, and on the two cores that all processes share.\n";

/// The packages whose versions are listed.
const PACKAGES: [&str; 6] = ["ws-core", "tokio", "redis", "async-nats", "socketioxide", "socketioxide-redis"];

/// One figure of one measurement.
pub(super) struct Row {
    name: String,
    unit: &'static str,
    value: f64,
}

impl Row {
    pub(super) fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), unit, value }
    }
}

/// The figures of all rounds.
#[derive(Default)]
pub(super) struct Measured {
    figures: Vec<Figure>,
    failures: Vec<String>,
}

struct Figure {
    name: String,
    unit: &'static str,
    /// The values of each contestant.
    values: [Vec<f64>; Contestant::ALL.len()],
}

impl Measured {
    pub(super) fn add(&mut self, contestant: Contestant, rows: Vec<Row>) {
        for Row { name, unit, value } in rows {
            let at = self.figures.iter().position(|figure| figure.name == name);
            let at = at.unwrap_or_else(|| {
                self.figures.push(Figure { name, unit, values: Default::default() });
                self.figures.len() - 1
            });
            self.figures[at].values[place(contestant)].push(value);
        }
    }

    pub(super) fn fail(&mut self, failure: String) {
        self.failures.push(failure);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.failures.is_empty()
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

fn place(contestant: Contestant) -> usize {
    Contestant::ALL.iter().position(|other| *other == contestant).unwrap_or_default()
}

/// The whole report.
pub(super) fn write(measured: &Measured, options: &Options, machine: &Description) -> String {
    let Description { date, hardware, kernel, load_average } = machine;
    let mut text = format!(
        "# Results of the cluster\n\n{date} · {hardware} · {kernel}  \n\
         load average before the run: {load_average}; {rounds} rounds of {ms} ms each (rooms: 3 at the most, presence: 1)  \n\
         {versions}\n\n{NOTES}\n",
        rounds = options.rounds,
        ms = options.seconds.as_millis(),
        versions = versions_of(&PACKAGES, include_str!("../../Cargo.lock")),
    );
    let shown: Vec<Contestant> = Contestant::ALL
        .into_iter()
        .filter(|it| measured.figures.iter().any(|figure| !figure.values[place(*it)].is_empty()))
        .collect();
    let names: Vec<&str> = shown.iter().map(|contestant| contestant.name()).collect();
    let _ = writeln!(text, "| figure | unit | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---:|".repeat(names.len()));
    for figure in &measured.figures {
        let cells: Vec<String> = shown.iter().map(|it| cell(&figure.values[place(*it)])).collect();
        let _ = writeln!(text, "| {} | {} | {} |", figure.name, figure.unit, cells.join(" | "));
    }
    for failure in &measured.failures {
        let _ = write!(text, "\nFailed: {failure}\n");
    }
    text
}

/// The figures of one measurement, for the progress.
pub(super) fn line(rows: &[Row]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| three_digits(row.value)).collect();
    rows.join(", ")
}

fn cell(values: &[f64]) -> String {
    let Some(Spread { median, least, most }) = Spread::of(values.iter().copied()) else {
        return "–".to_owned();
    };
    format!("{} ({} to {})", three_digits(median), three_digits(least), three_digits(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_a_row_and_each_contestant_a_column() {
        let mut measured = Measured::default();
        for value in [2.0, 1.0, 4.0] {
            measured.add(Contestant::OURS, vec![Row::new("rate", "per second", value)]);
        }
        measured.add(Contestant::Redis, vec![Row::new("rate", "per second", 9.0)]);
        let [date, hardware, kernel, load_average] = ["now", "a machine", "Linux", "0"].map(str::to_owned);
        let machine = Description { date, hardware, kernel, load_average };
        let report = write(&measured, &Options::default(), &machine);
        let table = "| figure | unit | ours | redis-benchmark |\n|---|---|---:|---:|\n\
                     | rate | per second | 2.00 (1.00 to 4.00) | 9.00 (9.00 to 9.00) |\n";
        assert!(report.ends_with(table), "{report}");
    }
}
