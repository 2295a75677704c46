//! Sockets that the process was started with, as systemd's socket activation hands them over.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor of those that are handed over (sd_listen_fds(3)).
const FIRST: RawFd = 3;

/// The descriptors from 3 on, as many as `count` says, as far as they are open; children will not
/// have them. The second call gives none.
pub(crate) fn inherited(count: usize) -> Vec<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    let numbers = FIRST..FIRST.saturating_add(RawFd::try_from(count).unwrap_or(RawFd::MAX));
    // SAFETY: these numbers were given to this process for it to own, and are taken once.
    numbers.map_while(|fd| is_kept(fd).then(|| unsafe { OwnedFd::from_raw_fd(fd) })).collect()
}

/// Keeps a descriptor from children; false if there is none under this number.
fn is_kept(fd: RawFd) -> bool {
    // SAFETY: it takes numbers alone; one that is no descriptor is an error.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) == 0 }
}
