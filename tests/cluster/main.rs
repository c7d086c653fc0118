//! Several nodes of one application: the same rules over the broker in memory and over a real Redis.
//!
//! Tests over Redis start a `redis-server` of their own. Without one they are skipped, and say so;
//! with `WS_TESTS_NEED_REDIS=1` they fail instead.

mod brokers;
mod killed;
mod logs;
mod memory;
mod model;
mod nodes;
mod races;
mod redis;
mod rules;
mod watches;
