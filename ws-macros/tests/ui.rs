//! The code that the attributes refuse, and the words in which they refuse it.
//!
//! A fixture in `ui/fail` is named after its mistake; the expected output beside it is written by
//! this crate. A mistake in `ui/fail_in_rustc` is reported by the compiler, whose words differ
//! between versions: only the version that wrote the expected output is compared with it. Another
//! version skips those fixtures, and fails where `CI` is set. After a change of words, run with
//! `TRYBUILD=overwrite` and read the difference.
//!
//! All fixtures are checked by one command and none is linked. They are here and not with the
//! integration tests because `trybuild` checks the dependencies of their package again.

use std::{env, process::Command};

/// The compiler that wrote the expected output in `ui/fail_in_rustc`.
const WORDS_OF: &str = "rustc 1.95.";

/// The flags of `trybuild` for fixtures, one per line.
const FLAGS: &str = "--cfg\ntrybuild\n--verbose\n-Adead_code\n--diagnostic-width=140";

/// `trybuild` checks the dependencies with other flags than the fixtures, so Cargo checks them
/// twice. Flags in this variable take precedence, and it must be set before `trybuild` runs: the
/// test therefore runs itself in a process with the variable.
const FLAGS_VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";

#[test]
fn mistakes_are_reported_at_their_place() {
    let flags = FLAGS.replace('\n', "\x1f");
    if env::var(FLAGS_VARIABLE).is_ok_and(|set| set == flags) {
        return check_fixtures();
    }
    let status = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "mistakes_are_reported_at_their_place", "--nocapture"])
        .env(FLAGS_VARIABLE, flags)
        .status()
        .expect("this test runs again");
    assert!(status.success(), "see the output above");
}

fn check_fixtures() {
    let fixtures = trybuild::TestCases::new();
    fixtures.compile_fail("ui/fail/*.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    if version.is_ok_and(|output| output.stdout.starts_with(WORDS_OF.as_bytes())) {
        fixtures.compile_fail("ui/fail_in_rustc/*.rs");
        fixtures.compile_fail("ui/mistakes/*.rs");
    } else {
        assert!(env::var_os("CI").is_none(), "ui/fail_in_rustc is skipped: install {WORDS_OF}x");
        eprintln!("ui/fail_in_rustc is skipped: its expected output is written by {WORDS_OF}x");
    }
}
