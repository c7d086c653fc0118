//! The contract of an application: its routes and events as data, and what is made from it.
//!
//! [`App::contract`](crate::App::contract) collects a [`Contract`] from the registered controllers.
//! It needs no configuration, no state and no listener.

mod asyncapi;
mod check;
mod cli;
mod collect;
mod example;
mod file;
mod javascript;
mod model;

#[cfg(feature = "console")]
pub(crate) use self::{example::example, javascript::ChannelSignatures};
pub use self::model::{
    COMMON_CODES, Channel, ClientEvent, Code, Contract, Gap, Gaps, Header, Parameter, Payload, ReplyForm,
    ReplyMessage, Security, Server, ServerEvent,
};
pub use self::{
    check::{Change, ChangeClass, CheckError, assert_unbroken, check},
    cli::cli,
    file::assert_file,
};
