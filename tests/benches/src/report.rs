//! The report: medians with their ratios as Markdown, then every figure with its spread.

use std::fmt::Write as _;

use crate::{
    cases::Section,
    load::{Pace, Sample},
    machine::Description,
    options::Options,
    run::Measured,
    stats::{Spread, three_digits},
};

/// If the generator is busier than this and the server is less busy, the generator limits the pace.
const BUSY_SHARE: f64 = 0.9;

/// Marks the figures of such a run.
const MARK: &str = " †";

const NOTES: &str = "\
Medians over all rounds. A figure is the server's own CPU time, user and system, divided by the number of items that \
came back and were verified. It hardly depends on other processes of the machine; the number of items per second \
does. † The load generator was busier than the server, so it limited the number of items per second. With a faster \
generator, the server would have handled more messages at once.\n";

/// Packages whose versions a reader wants to know.
const PEERS: [&str; 9] = [
    "ws-core",
    "tokio",
    "hyper",
    "tungstenite",
    "tokio-tungstenite",
    "axum",
    "actix-ws",
    "fastwebsockets",
    "tokio-websockets",
];

/// Writes the whole report, beginning with the sentence that the README shows.
pub(crate) fn write(
    measured: &[Measured],
    options: &Options,
    machine: &Description,
    sentence: Option<&str>,
) -> String {
    let Description { date, hardware, kernel, load_average } = machine;
    let sentence = sentence.map(|sentence| format!("{sentence}\n\n")).unwrap_or_default();
    let mut text = format!(
        "# Results\n\n{sentence}{date} · {hardware} · {kernel}  \n\
         load average before the run: {load_average}; {rounds} rounds of {ms} ms each (idle memory: 3 at the most)  \n\
         {versions}\n\n{NOTES}",
        rounds = options.rounds,
        ms = options.seconds.as_millis(),
        versions = versions(include_str!("../Cargo.lock")),
    );
    for cases in measured.chunk_by(|one, next| std::ptr::eq(one.case.section, next.case.section)) {
        if let [first, ..] = cases {
            write_section(&mut text, first.case.section, cases);
        }
    }
    write_failures(&mut text, measured);
    write_details(&mut text, measured);
    text
}

/// Writes one table of medians with their ratios: cases as rows, contestants as columns.
fn write_section(text: &mut String, section: &Section, cases: &[Measured]) {
    let columns = columns(cases);
    let Section { title, unit, baseline } = section;
    let is_compared = columns.len() > 1 && columns.contains(baseline);
    let brackets =
        if is_compared { format!("; in brackets as a multiple of `{baseline}`") } else { String::new() };
    let _ = write!(text, "\n## {title}\n\nIn {unit}{brackets}:\n\n");
    let _ = writeln!(text, "| case | {} |", columns.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(columns.len()));
    for measured in cases {
        let cell = |column: &&str| cell(measured, column, baseline).unwrap_or_else(dash);
        let cells: Vec<String> = columns.iter().map(cell).collect();
        let _ = writeln!(text, "| {} | {} |", measured.case.name, cells.join(" | "));
    }
}

/// Returns the median, its ratio to the baseline, and a mark if the generator was the limit.
fn cell(measured: &Measured, column: &str, baseline: &str) -> Option<String> {
    let value = measured.median_of(column)?;
    let compared_with = measured.median_of(baseline).filter(|_| column != baseline);
    let ratio = compared_with.map(|baseline| format!(" ({})", three_digits(value / baseline)));
    let mark = if measured.samples_of(column).is_some_and(is_held_up) { MARK } else { "" };
    Some(format!("{}{}{mark}", three_digits(value), ratio.unwrap_or_default()))
}

/// The errors.
fn write_failures(text: &mut String, measured: &[Measured]) {
    for measured in measured {
        for (contestant, result) in measured.contestants() {
            if let Err(error) = result {
                let _ = write!(text, "\nFailed: {}, {}: {error}\n", measured.case.name, contestant.label);
            }
        }
    }
}

/// Writes every figure with its spread, the pace, and the load of server and generator.
fn write_details(text: &mut String, measured: &[Measured]) {
    let _ = write!(
        text,
        "\n## Every figure\n\n\
         | case | server | median | least | most | items/s | server busy | generator busy |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n"
    );
    for measured in measured {
        for (contestant, result) in measured.contestants() {
            let Ok(samples) = result else { continue };
            let Some(spread) = Spread::of(samples.iter().map(|sample| sample.value)) else { continue };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                measured.case.name,
                contestant.label,
                three_digits(spread.median),
                three_digits(spread.least),
                three_digits(spread.most),
                of_pace(samples, |pace| pace.per_second).map_or_else(dash, three_digits),
                of_pace(samples, |pace| pace.server_share).map_or_else(dash, percent),
                of_pace(samples, |pace| pace.generator_share).map_or_else(dash, percent),
            );
        }
    }
}

/// The labels of all contestants, in the order of their first case.
fn columns(cases: &[Measured]) -> Vec<&str> {
    let mut columns = Vec::new();
    for contestant in cases.iter().flat_map(|measured| &measured.case.contestants) {
        if !columns.contains(&&*contestant.label) {
            columns.push(&*contestant.label);
        }
    }
    columns
}

fn of_pace(samples: &[Sample], part: impl Fn(&Pace) -> f64) -> Option<f64> {
    Spread::of(samples.iter().filter_map(|sample| sample.pace.as_ref()).map(part)).map(|spread| spread.median)
}

fn is_held_up(samples: &[Sample]) -> bool {
    let generator = of_pace(samples, |pace| pace.generator_share).unwrap_or_default();
    let server = of_pace(samples, |pace| pace.server_share).unwrap_or_default();
    generator > BUSY_SHARE && server < BUSY_SHARE
}

/// The linked versions, from the lock file. A package may occur in several versions.
fn versions(lock: &str) -> String {
    versions_of(&PEERS, lock)
}

/// The versions of these packages.
pub(crate) fn versions_of(packages: &[&str], lock: &str) -> String {
    let of_package = |package: &str| {
        let head = format!("\nname = \"{package}\"\nversion = \"");
        let found =
            lock.split("[[package]]").filter_map(|entry| entry.strip_prefix(&*head)?.split('"').next());
        let found: Vec<&str> = found.collect();
        (!found.is_empty()).then(|| format!("{package} {}", found.join(" and ")))
    };
    packages.iter().filter_map(|package| of_package(package)).collect::<Vec<_>>().join(", ")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn dash() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file_and_all_of_a_package_are_named() {
        let lock = "[[package]]\nname = \"axum\"\nversion = \"0.8.9\"\n\n\
                    [[package]]\nname = \"tungstenite\"\nversion = \"0.29.0\"\n\n\
                    [[package]]\nname = \"tungstenite\"\nversion = \"0.30.0\"\n";
        assert_eq!(versions(lock), "tungstenite 0.29.0 and 0.30.0, axum 0.8.9");
    }
}
