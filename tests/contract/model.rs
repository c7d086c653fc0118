//! The model that is collected from the registry.

use crate::fixture::app;

#[test]
fn print() {
    println!("{:#?}", app().contract());
}
