//! The JavaScript client and its types. `.ci/client` runs them in Node, in Chromium and through tsc.

use std::{env, fs, path::Path};

use crate::fixture::app;

#[test]
fn the_client_of_the_fixture_is_the_committed_one() {
    let contract = app().contract();
    assert_file("client.js", &contract.javascript());
    assert_file("client.d.ts", &contract.typescript());
}

/// Compares with a committed file. `WS_CONTRACT=accept` writes it.
fn assert_file(name: &str, contents: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/snapshots").join(name);
    if env::var_os("WS_CONTRACT").is_some_and(|value| value == "accept") {
        fs::write(&path, contents).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == contents, "{name} is not what the fixture makes; accept it with WS_CONTRACT=accept");
}
