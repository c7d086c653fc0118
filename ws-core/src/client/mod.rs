//! A WebSocket client: connect, send, receive, close.
//!
//! [`Client::connect`] takes a URI, [`Client::builder`] everything else: headers, a bearer token, a
//! query, subprotocols, deadlines, limits. [`ClientBuilder::reconnect`] returns a
//! [`ReconnectingClient`], which connects again after a loss and reports what was lost. `wss://`
//! needs the feature `client-tls`. It trusts Mozilla's root certificates, or those of the system
//! with the feature `client-native-roots` and [`ClientBuilder::native_roots`].
//!
//! A client has no task: it reads and writes only while one of its methods is awaited. It has no
//! queue of messages, and every wait has a deadline unless `recv` is called without one. It does
//! not support proxies, redirects or compression.
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

mod attempt;
mod builder;
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
