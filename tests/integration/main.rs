//! Tests over real sockets, one binary. A test's name is the rule it proves; `pNN` is a row of the parity table.

mod close_codes;
mod life;
mod support;
