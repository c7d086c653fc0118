//! The page `docs/mistakes.md` lists the fixtures in `ui/mistakes` and the first line of each
//! error.
//!
//! `tests/ui.rs` checks these errors against the compiler. With `TRYBUILD=overwrite` the page is
//! rewritten.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::{env, fs, path::Path};

const PAGE: &str = "../docs/mistakes.md";
const FIXTURES: &str = "ui/mistakes";
const HEAD: &str = "| mistake | the compiler says | write |\n|---|---|---|\n";

#[test]
fn the_page_of_mistakes_has_what_the_compiler_says() {
    let page = fs::read_to_string(PAGE).expect("the page");
    let (before, rest) = page.split_once(HEAD).expect("the head of the table");
    let rows: usize = rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    let after = rest.get(rows..).unwrap_or_default();
    let expected = format!("{before}{HEAD}{}{after}", table());
    if env::var("TRYBUILD").is_ok_and(|set| set == "overwrite") {
        fs::write(PAGE, &expected).expect("the page is written");
    } else {
        assert!(page == expected, "run with TRYBUILD=overwrite; the page should be\n{expected}");
    }
}

/// One row for each fixture, by their file names.
fn table() -> String {
    let mut files: Vec<_> = fs::read_dir(FIXTURES)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files.iter().map(|path| row(path)).collect()
}

fn row(path: &Path) -> String {
    let source = fs::read_to_string(path).expect("a fixture");
    let mut docs = source.lines().map_while(|line| line.strip_prefix("//! "));
    let (mistake, remedy) = (docs.next(), docs.next().and_then(|line| line.strip_prefix("Write: ")));
    let (Some(mistake), Some(remedy)) = (mistake, remedy) else {
        panic!("{} begins with the mistake and `Write: ..`", path.display())
    };
    let output = fs::read_to_string(path.with_extension("stderr")).expect("what the compiler says");
    let error = output.lines().find(|line| line.starts_with("error")).expect("an error");
    let (_, words) = error.split_once(": ").expect("the words of an error");
    format!("| {} | {} | {} |\n", in_cell(mistake), in_cell(words), in_cell(remedy))
}

/// A `|` would end the cell.
fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}
