//! One line for the README of the project: date, machine, and the ratios of a few cases.

use crate::{machine::Description, run::Measured, stats::three_digits};

/// The cases whose ratios are quoted.
const QUOTED: [&str; 3] = [
    "echo 64 B, 1 in flight, 50 connections",
    "echo 64 B, 16 in flight, 50 connections",
    "fan-out 64 B to 1000",
];

/// The columns of the quoted ratio.
const OURS: &str = "ours";
const REFERENCE: &str = "axum";

/// The end of the line in the README.
const LINK: &str = " [All results](tests/benches/results.md)";
const MARK: &str = " <!-- written by the benchmarks -->";

/// Returns the sentence, or `None` unless each quoted case was measured.
pub(crate) fn sentence(measured: &[Measured], machine: &Description) -> Option<String> {
    let ratios: Option<Vec<String>> = QUOTED
        .iter()
        .map(|name| {
            let measured = measured.iter().find(|measured| measured.case.name == *name)?;
            let ratio = measured.median_of(OURS)? / measured.median_of(REFERENCE)?;
            Some(format!("{} ({name})", three_digits(ratio)))
        })
        .collect();
    let date = machine.date.split('T').next().unwrap_or_default();
    Some(format!(
        "{date}, {}: the server CPU of ws-core as a multiple of {REFERENCE}'s is {}.",
        machine.hardware,
        ratios?.join(", "),
    ))
}

/// Returns the README with this sentence in its marked line, or `None` if it has no such line.
pub(crate) fn shown_in(readme: &str, sentence: &str) -> Option<String> {
    let line = readme.lines().find(|line| line.ends_with(MARK))?;
    Some(readme.replacen(line, &format!("{sentence}{LINK}{MARK}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases::{self, Case},
        load::Sample,
        options::Options,
        report,
    };

    fn machine() -> Description {
        let [date, hardware, kernel, load_average] =
            ["2026-11-25T10:33:20Z", "2 cores", "Linux 6", "0.10"].map(str::to_owned);
        Description { date, hardware, kernel, load_average }
    }

    /// All cases; the figure of each contestant is its place among them, counted from 1.
    fn measured() -> Vec<Measured> {
        let measure = |case: Case| {
            let value = |place| vec![Sample { value: place as f64, pace: None }];
            let results = (1..=case.contestants.len()).map(|place| Ok(value(place))).collect();
            Measured { case, results }
        };
        cases::chosen(&Options::default()).into_iter().map(measure).collect()
    }

    #[test]
    fn the_sentence_has_the_date_the_machine_and_the_ratio_of_each_quoted_case() {
        assert_eq!(
            sentence(&measured(), &machine()).expect("all are measured"),
            "2026-11-25, 2 cores: the server CPU of ws-core as a multiple of axum's is \
             0.200 (echo 64 B, 1 in flight, 50 connections), \
             0.200 (echo 64 B, 16 in flight, 50 connections), 0.333 (fan-out 64 B to 1000)."
        );
    }

    #[test]
    fn there_is_no_sentence_unless_each_quoted_case_was_measured() {
        let mut measured = measured();
        let quoted = measured.iter_mut().find(|measured| measured.case.name == QUOTED[2]).expect("a case");
        quoted.results = vec![Err("it failed".into()); 3];
        assert_eq!(sentence(&measured, &machine()), None);
        assert_eq!(sentence(&[], &machine()), None);
    }

    #[test]
    fn the_report_begins_with_the_sentence() {
        let (measured, machine) = (measured(), machine());
        let sentence = sentence(&measured, &machine).expect("all are measured");
        let report = report::write(&measured, &Options::default(), &machine, Some(&sentence));
        assert!(report.starts_with(&format!("# Results\n\n{sentence}\n\n2026-11-25T10:33:20Z")), "{report}");
        let report = report::write(&measured, &Options::default(), &machine, None);
        assert!(report.starts_with("# Results\n\n2026-11-25T10:33:20Z"), "{report}");
    }

    #[test]
    fn one_line_of_the_readme_is_replaced_and_can_be_replaced_again() {
        let readme = format!("before\nold{MARK}\nafter\n");
        let first = shown_in(&readme, "new.").expect("a mark");
        assert_eq!(first, format!("before\nnew.{LINK}{MARK}\nafter\n"));
        assert_eq!(shown_in(&first, "new.").as_ref(), Some(&first));
        assert_eq!(shown_in("no mark\n", "new."), None);
    }

    #[test]
    fn the_readme_of_the_project_has_the_marked_line() {
        assert!(shown_in(include_str!("../../../README.md"), "new.").is_some());
    }
}
