//! The JavaScript client and its types. `.ci/client` runs them in Node and in Chromium, and checks
//! them with tsc.

use ws_core::contract::assert_file;

use crate::fixture::app;

#[test]
fn the_client_of_the_fixture_is_up_to_date() {
    assert_file("contract/snapshots/client.js", app().contract().javascript());
}

#[test]
fn the_types_of_the_client_are_up_to_date() {
    assert_file("contract/snapshots/client.d.ts", app().contract().typescript());
}
