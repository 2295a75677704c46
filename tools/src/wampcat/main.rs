//! `wampcat`: a WAMP client for the command line.

fn main() {}
