//! The model that is collected from the registry.

use crate::fixture::app;

#[test]
fn the_document_of_the_fixture_is_up_to_date() {
    ws_core::contract::assert_file("contract/snapshots/asyncapi.json", app().contract().asyncapi());
}
