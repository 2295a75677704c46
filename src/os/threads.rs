//! Threads: what keeps one from being canceled, and whether the system still has it.

use std::ffi::c_int;

/// Keeps the calling thread from being canceled (`pthread_cancel`) until dropped: cancellation
/// unwinds the stack, which Rust does not bear. A cancellation that comes meanwhile waits.
pub(crate) struct NoCancel {
    #[cfg(target_os = "linux")]
    before: c_int,
}

#[cfg(target_os = "linux")]
impl NoCancel {
    #[inline]
    pub(crate) fn begin() -> NoCancel {
        let mut before = 0;
        // SAFETY: it writes one int, and fails for no thread.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
        NoCancel { before }
    }
}

#[cfg(target_os = "linux")]
impl Drop for NoCancel {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this state was the thread's before; the former one is not asked for.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}

#[cfg(not(target_os = "linux"))]
impl NoCancel {
    pub(crate) fn begin() -> NoCancel {
        NoCancel {}
    }
}

#[cfg(target_os = "linux")]
const PTHREAD_CANCEL_DISABLE: c_int = 1;

#[cfg(target_os = "linux")]
unsafe extern "C" {
    /// The libc crate does not have it.
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// A thread, as the system knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadId(#[cfg(target_os = "linux")] libc::pid_t);

impl ThreadId {
    /// The one that asks.
    pub(crate) fn current() -> ThreadId {
        // SAFETY: takes no pointers and cannot fail.
        #[cfg(target_os = "linux")]
        return ThreadId(unsafe { libc::gettid() });
        #[cfg(not(target_os = "linux"))]
        ThreadId()
    }

    /// True once the system has nothing left of it. Where it does not tell, it is taken for gone.
    pub(crate) fn is_gone(&self) -> bool {
        // SAFETY: takes no pointers; without a signal it only looks.
        #[cfg(target_os = "linux")]
        return unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.0, 0) } != 0;
        #[cfg(not(target_os = "linux"))]
        true
    }
}
