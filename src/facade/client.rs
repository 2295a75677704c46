//! The client, as `wampcat` uses it.
