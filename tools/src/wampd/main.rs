//! `wampd`: the embedded router as a program.

fn main() {}
