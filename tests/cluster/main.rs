//! Several nodes of one application: the same rules over the broker in memory and over a real Redis
//! and a real NATS server.
//!
//! Tests over Redis start a `redis-server` of their own, those over NATS a `nats-server`. Without
//! one they are skipped, and print so; with `WS_TESTS_NEED_REDIS=1` and `WS_TESTS_NEED_NATS=1` they
//! fail instead.

mod brokers;
mod certificates;
mod foreign;
mod killed;
mod logs;
mod memory;
mod model;
mod nats;
mod nodes;
mod races;
mod redis;
mod rules;
mod versions;
mod watches;
