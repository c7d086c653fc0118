//! The code that the attributes accept. Each module is named after the rule that it proves by
//! compiling. Some of them also start the registered controllers.
//!
//! The modules are public, so that the lints of public items (`missing_docs`, `unreachable_pub`)
//! apply as at the root of a crate.

#![allow(dead_code, unreachable_pub, reason = "most of the registered code never runs")]
#![allow(clippy::too_many_arguments, clippy::unit_arg, reason = "such code must compile, too")]
#![deny(future_incompatible)] // a lint that the strict modules cannot set: it is for a whole crate

pub mod conditions_and_other_attributes;
pub mod constants_as_names_and_paths;
pub mod deny_warnings;
pub mod error_handlers;
pub mod errors_with_dyn_inside;
#[rustfmt::skip] // which removes the trailing commas that must be accepted
pub mod every_argument;
pub mod event_types_in_a_strict_crate;
pub mod extra_state_parameters;
pub mod forbid_unsafe_code;
pub mod functions_stay_callable;
pub mod handlers_among_names_like_ours;
pub mod handlers_in_a_strict_crate;
pub mod handlers_of_every_kind;
pub mod handlers_under_conditions;
pub mod inside_function_bodies;
pub mod made_by_a_macro;
pub mod names_like_ours;
pub mod raw_identifiers;
pub mod registrations_say_where_they_stand;
pub mod state_fields;
