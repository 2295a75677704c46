//! The small part that depends on the operating system.
//!
//! Written for Linux; other Unix systems take the portable halves, which are not tried yet.
//!
//! * [`signals`]: what the library's threads block, and writes without SIGPIPE.
//! * [`threads`]: cancellation, and the very end of a thread. [`fork`]: children.
//! * [`sockets`]: what the system knows of a peer. `descriptors`: numbers that others may take.
//! * [`inherited()`]: sockets that the process was started with.
//! * [`random()`]: bytes that nobody can foresee.
//! * [`flag`]: a pollable descriptor. [`sync`]: locks that go on after a panic.
#![expect(unsafe_code, reason = "the system is called as C has it")]

mod descriptors;
mod flag;
mod fork;
mod inherited;
mod random;
mod signals;
mod sockets;
mod sync;
mod threads;

pub(crate) use descriptors::{Descriptors, descriptors, made_above, raised};
pub(crate) use flag::Flag;
pub(crate) use fork::{forked, watch_fork};
pub(crate) use inherited::inherited;
pub(crate) use random::random;
pub(crate) use signals::{NO_SIGPIPE, NoSigpipe, SignalMask, is_own_thread};
pub(crate) use sockets::{
    Ours, is_closed, is_exhausted, receive, tcp_silence, unacknowledged, wait_readable, watch_reads,
};
pub(crate) use sync::{lock, unpoisoned};
pub(crate) use threads::{NoCancel, ThreadId};
