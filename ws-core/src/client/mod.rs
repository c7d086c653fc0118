//! A WebSocket client: connect, send, receive, close.
//!
//! [`Client::connect`] takes a URI, [`Client::builder`] everything else: headers, a bearer token, a query,
//! subprotocols, deadlines, limits. [`ClientBuilder::reconnect`] gives a [`ReconnectingClient`], which comes back after
//! a loss and says what was lost. `wss://` needs the feature `client-tls`; it brings its certificates along and asks
//! nothing of the system.
//!
//! There is no task behind a client: it reads and writes while one of its methods is awaited, and at no other time.
//! Nothing is queued that was not asked for, and every wait has a deadline. Not done here: proxies, redirects,
//! compression.
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
//!     Received::TimedOut => println!("nothing in five seconds"),
//! }
//! client.close(1000, "done").await?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod codec;
mod connect;
mod connection;
mod error;
mod ledger;
mod reconnect;
mod request;
mod settings;
#[cfg(feature = "client-tls")]
mod tls;
mod transport;
mod wire;

pub use self::{
    builder::ClientBuilder,
    connection::{Client, Received},
    error::{ClientError, ConnectError, GaveUp, Reconnected},
    reconnect::{ReconnectPolicy, ReconnectingClient, Update},
};
