//! The embedded router, as `wampd` uses it.
