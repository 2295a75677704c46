//! The process and its threads.
//!
//! As a process exits, Windows ends all of its threads but one, wherever they are, and then lets
//! each DLL see to its end on the thread that is left. Who waits there for a thread, or for a lock
//! that one had, waits for ever.

use std::cell::Cell;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Arc, Once};
use std::time::Duration;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, WAIT_TIMEOUT};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};
use windows_sys::Win32::System::SystemInformation::{
    GetTickCount64, GlobalMemoryStatusEx, MEMORYSTATUSEX,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, WaitForSingleObject,
};

#[link(name = "ntdll")]
unsafe extern "system" {
    /// Not zero once the process has begun to exit, and has no threads but the one that asks.
    safe fn RtlDllShutdownInProgress() -> u8;
}

/// True where our threads do not exist: at the end of the process.
#[inline]
pub(crate) fn threads_are_lost() -> bool {
    RtlDllShutdownInProgress() != 0
}

/// From now on the library stays where it is, whoever frees it: its threads run in it.
pub(crate) fn watch_process() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let how = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
        let here = watch_process as *const u16;
        let mut module = ptr::null_mut();
        // SAFETY: the address is one of this module's, and there is room for what is written.
        unsafe { GetModuleHandleExW(how, here, &mut module) };
    });
}

/// The time since the machine was started, with that in which it was suspended.
pub(crate) fn uptime() -> Duration {
    // SAFETY: it takes nothing, and cannot fail.
    Duration::from_millis(unsafe { GetTickCount64() })
}

/// The bytes of memory that the machine has.
pub(crate) fn memory() -> Option<u64> {
    let size = size_of::<MEMORYSTATUSEX>() as u32;
    let mut status = MEMORYSTATUSEX { dwLength: size, ..MEMORYSTATUSEX::default() };
    // SAFETY: the structure has the size that it says.
    let told = unsafe { GlobalMemoryStatusEx(&mut status) };
    (told != 0).then_some(status.ullTotalPhys)
}

thread_local! {
    /// The thread is one of ours. Needs no destructor, so that it is there until the thread's very
    /// end.
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// True on a thread of ours.
#[inline]
pub(crate) fn is_own_thread() -> bool {
    IS_OWN.get()
}

/// The signals that a thread blocks: there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignalMask;

impl SignalMask {
    /// The mask of the calling thread.
    pub(crate) fn current() -> SignalMask {
        SignalMask
    }

    /// The mask of an I/O thread that a thread with this mask makes.
    pub(crate) fn for_io(self) -> SignalMask {
        self
    }

    /// Makes this the mask of the calling thread, which is one of ours.
    #[inline]
    pub(crate) fn wear(self) {
        IS_OWN.set(true);
    }

    /// Makes this the mask of the calling thread, which is the host's, until dropped.
    pub(crate) fn borrow(self) -> SignalMask {
        self
    }
}

/// Keeps a signal from the calling thread that there is not.
pub(crate) struct NoSigpipe;

impl NoSigpipe {
    /// From now on.
    pub(crate) fn begin() -> NoSigpipe {
        NoSigpipe
    }

    /// True if it was raised since.
    #[cfg(test)]
    pub(crate) fn is_raised(&self) -> bool {
        false
    }
}

/// Keeps the calling thread from being canceled: Windows has no such thing.
pub(crate) struct NoCancel;

impl NoCancel {
    #[inline]
    pub(crate) fn begin() -> NoCancel {
        NoCancel
    }
}

/// A thread, as the system knows it. `None` where that does not say.
#[derive(Debug, Clone)]
pub(crate) struct ThreadId(Option<Arc<OwnedHandle>>);

impl ThreadId {
    /// The one that asks.
    pub(crate) fn current() -> ThreadId {
        let mut handle = ptr::null_mut();
        // SAFETY: it takes handles that mean the caller's own, and there is room for what is
        // written.
        let made = unsafe {
            let (process, thread) = (GetCurrentProcess(), GetCurrentThread());
            let how = DUPLICATE_SAME_ACCESS;
            DuplicateHandle(process, thread, process, &mut handle, 0, 0, how)
        };
        // SAFETY: it was made just now, for us.
        ThreadId((made != 0).then(|| Arc::new(unsafe { OwnedHandle::from_raw_handle(handle) })))
    }

    /// True once the system has nothing left of it.
    pub(crate) fn is_gone(&self) -> bool {
        // SAFETY: the handle is open as long as this is.
        let runs = |thread: &Arc<OwnedHandle>| unsafe {
            WaitForSingleObject(thread.as_raw_handle(), 0) == WAIT_TIMEOUT
        };
        !self.0.as_ref().is_some_and(runs)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_is_there_until_it_has_ended() {
        let (sender, told) = mpsc::channel();
        let (go, may_end) = mpsc::channel::<()>();
        let runs = thread::spawn(move || {
            sender.send(ThreadId::current()).unwrap();
            may_end.recv().unwrap();
        });
        let id = told.recv().unwrap();
        assert!(!id.is_gone() && !ThreadId::current().is_gone());
        go.send(()).unwrap();
        runs.join().unwrap();
        assert!(id.is_gone());
        assert!(!threads_are_lost());
    }
}
