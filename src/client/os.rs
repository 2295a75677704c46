//! The small part that depends on the operating system: signals, fork, and a pollable fd.
//!
//! Written for Linux; other Unix systems take the portable halves, which are not tried yet.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Blocks all signals on this thread until dropped: threads made meanwhile inherit the mask, so
/// that no signal of the host is handled on ours and no write to a dead peer raises SIGPIPE.
#[derive(Debug)]
pub struct SignalsBlocked {
    before: libc::sigset_t,
}

/// Blocks all signals on the calling thread for good.
pub fn block_signals() {
    std::mem::forget(SignalsBlocked::new());
}

impl SignalsBlocked {
    /// Blocks all signals on the calling thread.
    pub fn new() -> SignalsBlocked {
        // SAFETY: both sets are plain memory that outlives the calls, and sigfillset and
        // pthread_sigmask write them fully before they are read.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
            SignalsBlocked { before }
        }
    }
}

impl Default for SignalsBlocked {
    fn default() -> Self {
        SignalsBlocked::new()
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: `before` was filled by pthread_sigmask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}

static FORKED: AtomicBool = AtomicBool::new(false);

/// True in a child that was forked after [`watch_fork`]: our threads do not exist there.
#[inline]
pub fn forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// From now on children of this process learn that they are children. Checking a flag is cheaper
/// than comparing process ids, which costs a system call each time.
pub fn watch_fork() {
    extern "C" fn in_child() {
        FORKED.store(true, Ordering::Relaxed);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only stores to an atomic, which is allowed in a forked child; the
        // library is linked with -z nodelete, so the handler stays mapped.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

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
    pub fn new() -> io::Result<Flag> {
        // SAFETY: eventfd takes no pointers; a non-negative result is a new fd that we own.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: see above.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Flag { fd })
    }

    /// Makes the fd readable.
    pub fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the buffer has the eight bytes that are written.
        unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes the fd unreadable.
    pub fn lower(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the buffer has room for the eight bytes that are read.
        unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Flag {
    /// A flag that is down.
    pub fn new() -> io::Result<Flag> {
        let (near, far_end) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far_end.set_nonblocking(true)?;
        Ok(Flag { fd: near.into(), far_end })
    }

    /// Makes the fd readable.
    pub fn raise(&self) {
        use std::io::Write;
        let _ = (&self.far_end).write(&[1]);
    }

    /// Makes the fd unreadable.
    pub fn lower(&self) {
        let mut bytes = [0u8; 64];
        // SAFETY: the buffer has room for the bytes that are read.
        while unsafe { libc::read(self.fd.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } > 0
        {
        }
    }
}

impl Flag {
    /// The file descriptor.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
