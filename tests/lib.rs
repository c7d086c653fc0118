//! Integration tests over real sockets are in `integration/`. The code that the attributes accept
//! is in `attributes/`.
//!
//! The Rust blocks of the README and of the book are compiled here, as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the Rust blocks of pages in `docs`. `book.rs` checks that no page is missing.
#[cfg(doctest)]
macro_rules! pages {
    ($($name:ident = $path:literal),+ $(,)?) => {
        $(
            #[doc = include_str!(concat!("../docs/", $path))]
            struct $name;
        )+
    };
}

#[cfg(doctest)]
pages! {
    Browser = "browser.md",
    Client = "client.md",
    Cluster = "cluster.md",
    Compression = "compression.md",
    Concurrency = "concurrency.md",
    Configuration = "configuration.md",
    Console = "console.md",
    Contract = "contract.md",
    Controllers = "controllers.md",
    Cookbook = "cookbook.md",
    Demo = "demo.md",
    Envelope = "envelope.md",
    Errors = "errors.md",
    FromAxum = "from-axum.md",
    FromHyperf = "from-hyperf.md",
    Handlers = "handlers.md",
    Http = "http.md",
    Http2 = "http2.md",
    HubPage = "hub.md",
    Metrics = "operations/metrics.md",
    Middleware = "middleware.md",
    Operations = "operations.md",
    Reference = "reference.md",
    Scale = "operations/scale.md",
    State = "state.md",
    Testing = "testing.md",
    Tutorial = "tutorial.md",
}

#[cfg(test)]
mod book;
#[cfg(test)]
mod empty_registry;
#[cfg(test)]
mod layers;

#[test]
fn the_readme_shows_the_chat_of_the_examples() {
    let (_, chat) =
        include_str!("../ws-core/examples/chat.rs").split_once("use ws_core::prelude::*;\n\n").unwrap();
    let (chat, _) = chat.split_once("#[tokio::main]").unwrap();
    assert!(include_str!("../README.md").contains(chat), "the README should have\n{chat}");
}

#[test]
fn the_tutorial_shows_the_program_that_is_tested() {
    let (_, program) = include_str!("tutorial/main.rs").split_once("\n\n").unwrap();
    let (program, tests) = program.split_once("\n\n#[cfg(test)]\n").unwrap();
    for block in [format!("{program}\n```"), format!("#[cfg(test)]\n{tests}```")] {
        assert!(include_str!("../docs/tutorial.md").contains(&block), "the page should have\n{block}");
    }
}

#[test]
fn the_readme_shows_the_first_line_of_the_benchmarks_report() {
    let (before, _) =
        include_str!("../README.md").split_once(" [All results](tests/benches/results.md)").unwrap();
    let shown = before.lines().last().unwrap();
    assert!(shown.contains("ws-core as a multiple of"), "{shown}");
    assert!(include_str!("benches/results.md").starts_with(&format!("# Results\n\n{shown}\n")), "{shown}");
}

#[test]
fn the_front_page_of_the_documentation_lists_every_feature() {
    let (_, features) =
        include_str!("../ws-core/Cargo.toml").split_once("[features]\ndefault = []\n").unwrap();
    let (features, _) = features.split_once("\n\n").unwrap();
    let (_, table) = include_str!("../ws-core/src/lib.md").split_once("| feature | adds |").unwrap();
    for feature in features.lines().map(|line| line.split_once(" = ").unwrap().0) {
        assert!(table.contains(&format!("`{feature}`")), "`{feature}` is not in the table of features");
    }
}
