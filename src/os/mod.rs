//! The small part that depends on the operating system, and the only one that asks which it is.
//!
//! `unix` and `windows` have the same names, and one of them is compiled. The part of Linux that
//! other Unix systems lack is `unix/linux.rs`, and `unix/other.rs` stands there for it.
//!
//! * Signals, `fork`, cancellation, the end of threads and of the process: what the host does to
//!   all of a process, and how the library keeps out of its way.
//! * [`uptime`]: a clock that goes on while the machine sleeps. [`memory()`]: how much there is.
//! * Descriptors: a socket by its number, the [`Flag`] that a loop of the host waits for, [`Room`]
//!   for more of them.
//! * [`Watched`], [`Detached`], [`Returned`]: a connected socket. [`LocalListener`], and
//!   [`connect_local`]: sockets of this machine alone, where the system has them.
//! * [`inherited()`]: sockets that the process was started with.
//! * [`random()`]: bytes that nobody can foresee. [`lock`]: locks that go on after a panic.
#![expect(unsafe_code, reason = "the system is called as C has it")]

mod random;
mod sync;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(crate) use random::random;
pub(crate) use sync::{lock, unpoisoned};
#[cfg_attr(
    not(feature = "router"),
    expect(unused_imports, reason = "only the router listens")
)]
pub use system::ReadySocket;
pub(crate) use system::{
    Descriptor, Descriptors, Detached, Flag, LocalStream, NO_DESCRIPTOR, NoCancel, NoSigpipe,
    Returned, Room, SignalMask, TELLS_UNACKNOWLEDGED, ThreadId, Watched, connect_local,
    descriptors, is_closed, is_exhausted, is_own_thread, made_above, raised, tcp_silence,
    threads_are_lost, unacknowledged, uptime, wait_readable, watch_process,
};
#[cfg(test)]
pub(crate) use system::{HAS_LOCAL_SOCKETS, keepalive_times, user_timeout};
#[cfg_attr(
    not(feature = "router"),
    expect(unused_imports, reason = "only the router listens")
)]
pub(crate) use system::{LocalListener, inherited, memory};

/// A limit as one on what a program can have at all: nothing is larger than `isize::MAX`, so that a
/// higher limit is never met, and sums with it would not fit.
pub(crate) fn addressable(limit: u64) -> usize {
    const MOST: usize = isize::MAX as usize;
    usize::try_from(limit).map_or(MOST, |limit| limit.min(MOST))
}

/// The stack of threads that run callbacks, unless the application says otherwise: what programs in
/// C are used to, as untouched pages cost nothing. Where addresses are few, they cost these.
pub(crate) const STACK_BYTES: usize = match cfg!(target_pointer_width = "64") {
    true => 8 * 1024 * 1024,
    false => 1024 * 1024,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory_of_a_sane_size() {
        let told = memory().unwrap();
        assert!((1 << 24..1 << 48).contains(&told), "{told}");
    }
}
