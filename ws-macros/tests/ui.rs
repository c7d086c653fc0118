//! The code that the attributes refuse, and the words in which they refuse it.
//!
//! A fixture in `ui/fail` is named after its mistake; the expected output beside it is written by
//! this crate. A mistake in `ui/fail_in_rustc` is reported by the compiler, whose words differ
//! between versions: only the version that wrote the expected output is compared with it. Another
//! version skips those fixtures, and fails where `CI` is set. After a change of words, run with
//! `TRYBUILD=overwrite` and read the difference.
//!
//! All fixtures are checked by one command and none is linked. They are here and not with the
//! integration tests because `trybuild` compiles the dependencies of their package again.

use std::process::Command;

/// The compiler that wrote the expected output in `ui/fail_in_rustc`.
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
        assert!(std::env::var_os("CI").is_none(), "ui/fail_in_rustc is skipped: install {WORDS_OF}x");
        eprintln!("ui/fail_in_rustc is skipped: its expected output is written by {WORDS_OF}x");
    }
}
