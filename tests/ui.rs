//! What the attributes accept, and what they refuse in which words.
//!
//! A fixture in `ui/fail` is named after its mistake and stands beside our own words about it. One in `ui/fail_in_rustc`
//! is a mistake that the compiler finds, in words that differ between its versions: there the version that they were
//! written with is asked, and any other fails where `CI` is set. One in `ui/pass` is named after what has to work. After a change of words run with
//! `TRYBUILD=overwrite` and read the difference.

use std::process::Command;

/// The compiler whose words stand in `ui/fail_in_rustc`.
const WORDS_OF: &str = "rustc 1.95.";

#[test]
fn mistakes_are_named_where_they_stand() {
    let fixtures = trybuild::TestCases::new();
    fixtures.compile_fail("ui/fail/*.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler is here").stdout;
    if version.starts_with(WORDS_OF.as_bytes()) {
        fixtures.compile_fail("ui/fail_in_rustc/*.rs");
    } else {
        assert!(
            std::env::var_os("CI").is_none(),
            "nobody looks at ui/fail_in_rustc here: install {WORDS_OF}x"
        );
        eprintln!("the fixtures of ui/fail_in_rustc are left out: they have the words of {WORDS_OF}x");
    }
}

#[test]
fn what_is_promised_compiles() {
    let fixtures = trybuild::TestCases::new();
    fixtures.pass("ui/pass/*.rs");
}
