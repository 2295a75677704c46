//! fork(): a child has none of the threads that the library needs.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static FORKED: AtomicBool = AtomicBool::new(false);

/// True where our threads do not exist: in a child that was forked after [`watch_process`].
#[inline]
pub(crate) fn threads_are_lost() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// From now on children of this process learn that they are children. Checking a flag is cheaper
/// than comparing process ids, which costs a system call each time.
pub(crate) fn watch_process() {
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
