//! Integration tests over real sockets live in `integration/`, what the attributes accept in
//! `attributes/`.
//!
//! The Rust blocks of the README and of the guides are compiled here, as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-hyperf.md")]
struct FromHyperf;

#[cfg(doctest)]
#[doc = include_str!("../docs/envelope.md")]
struct Envelope;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-axum.md")]
struct FromAxum;

#[cfg(test)]
mod empty_registry;
#[cfg(test)]
mod layers;

#[test]
fn the_readme_shows_the_chat_of_the_examples() {
    let (_, chat) = include_str!("../ws-core/examples/chat.rs").split_once("testing::TestApp};\n\n").unwrap();
    let (chat, _) = chat.split_once("#[tokio::main]").unwrap();
    assert!(include_str!("../README.md").contains(chat), "the README should have\n{chat}");
}

#[test]
fn the_readme_shows_what_the_benchmarks_wrote() {
    let (_, shown) = include_str!("../README.md").split_once("is written by the benchmarks -->\n").unwrap();
    let (shown, _) = shown.split_once("<!-- what came before").unwrap();
    assert!(shown.contains("### Echo") && shown.contains("### Idle memory"), "{shown}");
    assert!(include_str!("benches/results.md").replace("\n## ", "\n### ").contains(shown.trim()));
}
