//! A WebSocket client: connect, send, receive, close; and calls by type for typed handlers.
//!
//! [`Client::connect`] takes a URI, [`Client::builder`] everything else: headers, a bearer token, a
//! query, subprotocols, deadlines, limits. [`ClientBuilder::reconnect`] returns a
//! [`ReconnectingClient`], which connects again after a loss and reports what was lost. `wss://`
//! needs the feature `client-tls`. It trusts Mozilla's root certificates, or those of the system
//! with the feature `client-native-roots` and `ClientBuilder::native_roots`.
//!
//! These clients have no task: they read and write only while one of their methods is awaited. They
//! have no queue of messages, and every wait has a deadline unless `recv` is called without one.
//! They do not support redirects.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use ws_core::client::{Client, Received};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::connect("ws://localhost:9502/echo").await?;
//! client.send("hi").await?;
//! match client.recv(Duration::from_secs(5)).await {
//!     Received::Message(message) => println!("{message:?}"),
//!     Received::Closed(reason) => println!("closed with code {}", reason.code()),
//!     Received::TimedOut => println!("no message in five seconds"),
//! }
//! client.close(1000, "done").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How to ..
//!
//! - **send from another task**: [`Client::split`] returns a [`ClientSender`] that can be cloned,
//!   and a [`ClientReceiver`]. A task has the connection then. It answers pings also while nobody
//!   receives, and a `send` waits until the socket has the message. [`ReconnectingClient::split`]
//!   does the same.
//! - **connect over a stream of your own**, such as a Unix socket, a stream of a SOCKS or HTTP
//!   proxy, or memory: [`ClientBuilder::connect_over`].
//! - **use your own TLS settings**, such as a client certificate: `ClientBuilder::rustls_config`.
//!   The crate `rustls` is exported here, so the versions fit.
//! - **trust a private authority**: `ClientBuilder::root_certificates_pem`, or
//!   `ClientBuilder::native_roots` where the system trusts it.
//! - **refresh the token**: [`ClientBuilder::before_attempt`] runs before each attempt to connect.
//! - **speak with typed handlers**: [`ClientBuilder::typed`] returns a [`TypedClient`], which sends
//!   and receives the event types of the server and matches replies to calls.
//! - **answer pings**: not needed. An unsplit client does it while `recv` or `send` is awaited.

mod attempt;
mod builder;
mod compression;
mod connect;
mod connection;
mod driver;
mod error;
mod ledger;
mod reconnect;
mod request;
mod settings;
mod split;
#[cfg(feature = "client-tls")]
mod tls;
mod transport;
mod typed;
mod wire;

/// The version of rustls that [`ClientBuilder::rustls_config`] takes.
#[cfg(feature = "client-tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "client-tls")))]
pub use tokio_rustls::rustls;

pub use self::{
    attempt::Attempt,
    builder::ClientBuilder,
    connection::{Client, Received},
    error::{ClientError, ConnectError, GaveUp, Reconnected},
    reconnect::{ReconnectPolicy, ReconnectingClient, Update},
    split::{ClientReceiver, ClientSender, ReconnectingReceiver},
    typed::{
        Asked, CallFailed, ClientState, EventFailed, Events, Others, PendingCall, Question, Replies,
        TypedClient,
    },
};
