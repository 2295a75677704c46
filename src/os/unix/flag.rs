//! A file descriptor that tells a loop of the host that events wait.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::descriptors::raised;
use super::kernel::Signal;

/// A file descriptor that is readable while a flag is up.
#[derive(Debug)]
pub struct Flag(Signal);

impl Flag {
    /// A flag that is down.
    pub(crate) fn new() -> io::Result<Flag> {
        Signal::new(raised).map(Flag)
    }

    /// Makes the fd readable.
    #[inline]
    pub(crate) fn raise(&self) {
        self.0.raise();
    }

    /// Makes the fd unreadable.
    #[inline]
    pub(crate) fn lower(&self) {
        self.0.lower();
    }

    /// The file descriptor, as C has it.
    pub(crate) fn number(&self) -> c_int {
        self.fd()
    }

    /// The file descriptor.
    #[inline]
    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The event object of Windows: no other system has them.
    pub(crate) fn event(&self) -> Option<*mut c_void> {
        None
    }
}
