//! The part of other Unix systems that stands for Linux's own.

use std::ffi::c_int;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::signals::NoSigpipe;

/// There is no such flag of `sendmsg` everywhere: sockets have an option for it, which mio sets.
pub(super) const NO_SIGPIPE: c_int = 0;

/// A descriptor that is readable while something was written to its other end.
#[derive(Debug)]
pub(super) struct Signal {
    near: UnixStream,
    far: UnixStream,
}

impl Signal {
    /// One to which nothing was written, whose descriptor has the number that `placed` gives it.
    pub(super) fn new(placed: fn(OwnedFd) -> OwnedFd) -> io::Result<Signal> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Signal { near: placed(near.into()).into(), far })
    }

    /// Makes it readable.
    pub(super) fn raise(&self) {
        // The host may have closed the other end, which is its fd.
        let _held = NoSigpipe::begin();
        let _ = (&self.far).write(&[1]);
    }

    /// Makes it unreadable.
    pub(super) fn lower(&self) {
        while (&self.near).read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
    }
}

impl AsRawFd for Signal {
    fn as_raw_fd(&self) -> RawFd {
        self.near.as_raw_fd()
    }
}

/// True if [`unacknowledged`] tells something.
pub(crate) const TELLS_UNACKNOWLEDGED: bool = false;

/// The number of written bytes that wait for the socket's peer: 0, as the system does not tell.
pub(crate) fn unacknowledged(_socket: RawFd) -> u64 {
    0
}

/// For how long the machine at the other end has been silent, which the system does not tell.
pub(crate) fn tcp_silence(_socket: RawFd) -> Option<Duration> {
    None
}

/// The limit of a control group, which there are none of.
pub(super) fn memory_of_group() -> Option<u64> {
    None
}

/// The time on the system's steady clock.
pub(crate) fn uptime() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for what is written, and every Unix has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// Room for descriptors, of which the system makes as much as it needs by itself.
#[derive(Debug)]
pub(crate) enum Room {}

impl Room {
    /// None.
    pub(crate) fn lacking(_descriptor: RawFd) -> Option<Room> {
        None
    }

    /// Makes it.
    pub(crate) fn make(self) {
        match self {}
    }
}

/// Keeps nothing from the calling thread: threads that are canceled are Linux's affair.
pub(crate) struct NoCancel;

impl NoCancel {
    pub(crate) fn begin() -> NoCancel {
        NoCancel
    }
}

/// A thread, of which the system tells nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadId;

impl ThreadId {
    /// The one that asks.
    pub(crate) fn current() -> ThreadId {
        ThreadId
    }

    /// True: it is taken for gone.
    pub(crate) fn is_gone(&self) -> bool {
        true
    }
}

/// The time after which the system gives up what is not confirmed; `None` for its own.
#[cfg(test)]
pub(crate) fn user_timeout(_tcp: &tokio::net::TcpStream) -> Option<Duration> {
    None
}
