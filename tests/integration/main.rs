//! Tests over real sockets, one binary. A test's name is the rule it proves; `pNN` is a row of the parity table.

mod accept;
mod addresses;
mod anywhere;
mod certificates;
mod client;
mod close_codes;
mod config;
mod context;
mod errors;
mod handshake;
mod hub;
mod jwt;
mod life;
mod middleware;
mod one_port;
mod origin;
mod process;
mod proxy;
mod real_proxies;
mod registry;
mod shutdown;
mod start;
mod support;
mod test_app;
mod tls;
mod tokens;
