//! A file descriptor that tells a loop of the host that events wait.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::descriptors::raised;

/// A file descriptor that is readable while a flag is up.
#[derive(Debug)]
pub struct Flag {
    fd: OwnedFd,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    far_end: std::os::unix::net::UnixStream,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Flag {
    /// A flag that is down.
    pub(crate) fn new() -> io::Result<Flag> {
        // SAFETY: eventfd takes no pointers; a non-negative result is a new fd that we own.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: see above.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Flag { fd: raised(fd) })
    }

    /// Makes the fd readable.
    pub(crate) fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the buffer has the eight bytes that are written.
        unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes the fd unreadable.
    pub(crate) fn lower(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the buffer has room for the eight bytes that are read.
        unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Flag {
    /// A flag that is down.
    pub(crate) fn new() -> io::Result<Flag> {
        let (near, far_end) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far_end.set_nonblocking(true)?;
        Ok(Flag { fd: raised(near.into()), far_end })
    }

    /// Makes the fd readable.
    pub(crate) fn raise(&self) {
        // The host may have closed the other end, which is its fd.
        let _held = NoSigpipe::begin();
        use std::io::Write;
        let _ = (&self.far_end).write(&[1]);
    }

    /// Makes the fd unreadable.
    pub(crate) fn lower(&self) {
        let mut bytes = [0u8; 64];
        // SAFETY: the buffer has room for the bytes that are read.
        while unsafe { libc::read(self.fd.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } > 0
        {
        }
    }
}

impl Flag {
    /// The file descriptor.
    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
