//! Rules that only a real Redis can prove.

mod access;
mod faults;
mod tls;
