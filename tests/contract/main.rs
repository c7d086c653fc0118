//! The contract of an application: its model, the documents and clients made from it, and the
//! check for breaking changes.

mod check;
mod document;
mod fixture;
mod javascript;
mod model;
mod schemas;
