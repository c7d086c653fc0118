//! Rules that need a real Redis.

mod access;
mod faults;
mod tls;
