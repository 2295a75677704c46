//! `wampd` as its users start it: every option, every mistake, and what a service manager does.

mod daemon;
mod flags;
mod listeners;
mod mistakes;
mod pages;
mod service;
mod signals;
mod watch;
mod wire;
