//! A cluster of real processes over a real Redis, and for the faults also over a real NATS server:
//! processes that are killed, a broker that is killed, and races between processes.
//!
//! Each node is this binary, started again as a server, or as a node of another version. Tests are
//! skipped without `redis-server` or `nats-server`, and print so; with `WS_TESTS_NEED_REDIS=1` and
//! `WS_TESTS_NEED_NATS=1` they fail instead.

#[allow(dead_code, reason = "the tests of one process use the rest of it")]
#[path = "../cluster/brokers.rs"]
mod brokers;
mod client;
mod faults;
#[allow(dead_code, reason = "the tests of one process use the rest of it")]
#[path = "../cluster/foreign.rs"]
mod foreign;
mod names;
mod node;
mod other_version;
mod races;
mod rooms;
