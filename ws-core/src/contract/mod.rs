//! The contract of an application: its routes and events as data, and what is made from it.
//!
//! [`App::contract`](crate::App::contract) collects a [`Contract`] from the registered controllers.
//! It needs no configuration, no state and no listener.

mod collect;
mod javascript;
mod model;

pub use self::model::{
    COMMON_CODES, Channel, ClientEvent, Code, Contract, Gap, Header, Parameter, Payload, ReplyForm,
    ReplyMessage, Security, Server, ServerEvent,
};
