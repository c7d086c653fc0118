//! Integration tests over real sockets are in `integration/`. The code that the attributes accept
//! is in `attributes/`.
//!
//! The Rust blocks of the README and of the guides are compiled here, as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/cluster.md")]
struct Cluster;

#[cfg(doctest)]
#[doc = include_str!("../docs/compression.md")]
struct Compression;

#[cfg(doctest)]
#[doc = include_str!("../docs/console.md")]
struct Console;

#[cfg(doctest)]
#[doc = include_str!("../docs/contract.md")]
struct Contract;

#[cfg(doctest)]
#[doc = include_str!("../docs/browser.md")]
struct Browser;

#[cfg(doctest)]
#[doc = include_str!("../docs/operations/metrics.md")]
struct Metrics;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-hyperf.md")]
struct FromHyperf;

#[cfg(doctest)]
#[doc = include_str!("../docs/envelope.md")]
struct Envelope;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-axum.md")]
struct FromAxum;

#[cfg(doctest)]
#[doc = include_str!("../docs/http2.md")]
struct Http2;

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
fn the_readme_shows_the_first_line_of_the_benchmarks_report() {
    let (before, _) =
        include_str!("../README.md").split_once(" [All results](tests/benches/results.md)").unwrap();
    let shown = before.lines().last().unwrap();
    assert!(shown.contains("ws-core as a multiple of"), "{shown}");
    assert!(include_str!("benches/results.md").starts_with(&format!("# Results\n\n{shown}\n")), "{shown}");
}
