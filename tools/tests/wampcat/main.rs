//! `wampcat` as its users start it, against a router in the process of the tests.

mod calls;
mod events;
mod listening;
mod logins;
mod looks;
mod mistakes;
mod scene;
mod terminals;
