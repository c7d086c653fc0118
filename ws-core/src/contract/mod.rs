//! The contract of an application: its routes and events as data, and what is made from it.
//!
//! [`App::contract`](crate::App::contract) collects a [`Contract`] from the registered controllers.
//! It needs no configuration, no state and no listener.
//!
//! # A document in the repository
//!
//! [`Contract::asyncapi`] returns the contract as an AsyncAPI document. Commit it as a file, and
//! let a test compare the file with each build. There are two kinds of this test:
//!
//! - [`assert_file`] fails for every difference. The file is always up to date, and a reviewer sees
//!   each change of the interface as a change of the file.
//! - [`assert_unbroken`] fails only for changes that break clients, or that it cannot judge. The
//!   file is the interface of the clients that exist, such as the last release.
//!
//! Both write the file if there is none, and fail once then. With `WS_CONTRACT=accept cargo test`
//! they accept the changes and write the file.
//!
//! ```no_run
//! use ws_core::{App, contract};
//!
//! #[test]
//! fn clients_are_not_broken() {
//!     contract::assert_unbroken("asyncapi.json", &App::new().contract());
//! }
//! ```
//!
//! # In CI
//!
//! A program that calls [`cli`] compares a file with itself. The file may be the one of another
//! branch or of a release:
//!
//! ```text
//! git show origin/main:asyncapi.json > released.json
//! my-program contract released.json --strict
//! ```
//!
//! The exit code is 1 if a change is breaking or unjudged, and with `--strict` also if it is risky.
//! [`check()`] has the rules, and compares two documents in code.

mod asyncapi;
mod check;
mod cli;
mod collect;
mod example;
mod file;
mod javascript;
mod model;

pub use self::model::{
    COMMON_CODES, Channel, ClientEvent, Code, Contract, Gap, Gaps, Header, Parameter, Payload, ReplyForm,
    ReplyMessage, Security, Server, ServerEvent,
};
pub use self::{
    check::{Change, ChangeClass, CheckError, assert_unbroken, check},
    cli::cli,
    file::assert_file,
};
#[cfg(feature = "console")]
pub(crate) use self::{example::example, javascript::ChannelSignatures};
