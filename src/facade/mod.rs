//! The one door of the crate for Rust: `wampd` and `wampcat` (`tools/`) come in here.
//!
//! No public API: it has what these programs need, and changes with them.

pub mod client;
pub mod router;
