//! Signals: which of them the threads of the library leave to the host, and writes that raise none.

use std::cell::Cell;
use std::ffi::c_int;

/// Signals that are sent to a process as a whole, for any of its threads to take. Our I/O threads
/// leave them to the host's threads, whose system calls they may be meant to interrupt.
///
/// SIGPROF is none of them: a profiler's timer goes to the thread that uses the processor, and
/// where that thread blocked it, its samples would be counted for another one.
const PROCESS_SIGNALS: &[c_int] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGCHLD,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGWINCH,
    libc::SIGIO,
    libc::SIGURG,
    libc::SIGPIPE,
];

/// Signals that a thread's own fault raises. Blocked, they would end the process without a word of
/// its crash reporter, its sanitizer, or the runtime that makes exceptions of them.
const FAULT_SIGNALS: &[c_int] = &[
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
];

/// The signals that a thread blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignalMask(u128);

thread_local! {
    /// The mask of this thread, where it is ours. Needs no destructor, so that it is there until
    /// the thread's very end.
    static WORN: Cell<Option<SignalMask>> = const { Cell::new(None) };
}

impl SignalMask {
    /// The mask of the calling thread.
    pub(crate) fn current() -> SignalMask {
        SignalMask::from_set(&change_mask(libc::SIG_BLOCK, &empty_set()))
    }

    /// The mask of an I/O thread that a thread with this mask makes. Real-time signals and those of
    /// runtimes stay as they are.
    pub(crate) fn for_io(self) -> SignalMask {
        let bits = |signals: &[c_int]| signals.iter().fold(0, |bits, signal| bits | 1 << signal);
        SignalMask((self.0 | bits(PROCESS_SIGNALS)) & !bits(FAULT_SIGNALS))
    }

    /// Makes this the mask of the calling thread, which is one of ours, unless it is already.
    #[inline]
    pub(crate) fn wear(self) {
        if WORN.replace(Some(self)) != Some(self) {
            change_mask(libc::SIG_SETMASK, &self.to_set());
        }
    }

    /// Makes this the mask of the calling thread, which is the host's, until dropped.
    pub(crate) fn borrow(self) -> BorrowedMask {
        BorrowedMask { before: change_mask(libc::SIG_SETMASK, &self.to_set()) }
    }

    fn from_set(set: &libc::sigset_t) -> SignalMask {
        // SAFETY: the set is initialized; numbers that are no signals are refused.
        let is_member = |signal: c_int| unsafe { libc::sigismember(set, signal) } == 1;
        let members = (1..=last_signal()).filter(|signal| is_member(*signal));
        SignalMask(members.fold(0, |bits, signal| bits | 1 << signal))
    }

    fn to_set(self) -> libc::sigset_t {
        let mut set = empty_set();
        for signal in (1..=last_signal()).filter(|signal| self.0 >> signal & 1 == 1) {
            // SAFETY: the set is initialized; numbers that are no signals are refused.
            unsafe { libc::sigaddset(&mut set, signal) };
        }
        set
    }
}

/// True on a thread of ours.
#[inline]
pub(crate) fn is_own_thread() -> bool {
    WORN.get().is_some()
}

/// The end of [`SignalMask::borrow`].
pub(crate) struct BorrowedMask {
    before: libc::sigset_t,
}

impl Drop for BorrowedMask {
    fn drop(&mut self) {
        change_mask(libc::SIG_SETMASK, &self.before);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn last_signal() -> c_int {
    libc::SIGRTMAX()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn last_signal() -> c_int {
    31
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: a set is plain memory, and sigemptyset makes an empty one of any.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}

/// Changes what the calling thread blocks; returns what it blocked before.
fn change_mask(how: c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = empty_set();
    // SAFETY: both sets are initialized and outlive the call, which fails for no valid `how`.
    unsafe { libc::pthread_sigmask(how, set, &mut before) };
    before
}

/// Keeps SIGPIPE from the calling thread until dropped, for writes that cannot go without: what of
/// it they raise is taken back.
pub(crate) struct NoSigpipe {
    before: libc::sigset_t,
    was_pending: bool,
}

impl NoSigpipe {
    /// From now on.
    pub(crate) fn begin() -> NoSigpipe {
        let before = change_mask(libc::SIG_BLOCK, &sigpipe());
        NoSigpipe { before, was_pending: is_sigpipe_pending() }
    }

    /// True if it was raised since.
    pub(crate) fn is_raised(&self) -> bool {
        !self.was_pending && is_sigpipe_pending()
    }
}

impl Drop for NoSigpipe {
    fn drop(&mut self) {
        if self.is_raised() {
            let mut taken = 0;
            // SAFETY: both outlive the call, which returns at once, as the signal is there.
            unsafe { libc::sigwait(&sigpipe(), &mut taken) };
        }
        change_mask(libc::SIG_SETMASK, &self.before);
    }
}

fn sigpipe() -> libc::sigset_t {
    SignalMask(1 << libc::SIGPIPE).to_set()
}

/// A write raises it for the thread that writes, so that no other thread can take it away.
fn is_sigpipe_pending() -> bool {
    let mut pending = empty_set();
    // SAFETY: the set is initialized and outlives the calls.
    unsafe {
        libc::sigpending(&mut pending);
        libc::sigismember(&pending, libc::SIGPIPE) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_of(signals: &[c_int]) -> SignalMask {
        SignalMask(signals.iter().fold(0, |bits, signal| bits | 1 << signal))
    }

    /// Runs on a thread of its own, whose mask is nobody else's.
    fn apart(test: impl FnOnce() + Send) {
        std::thread::scope(|scope| scope.spawn(test).join().unwrap());
    }

    #[test]
    fn a_mask_is_worn_and_given_back() {
        apart(|| {
            let (one, other) =
                (mask_of(&[libc::SIGUSR1]), mask_of(&[libc::SIGUSR2, libc::SIGRTMAX()]));
            one.wear();
            assert_eq!(SignalMask::current(), one);
            let borrowed = other.borrow();
            assert_eq!(SignalMask::current(), other);
            drop(borrowed);
            assert_eq!(SignalMask::current(), one);
            for mask in [other, other, one] {
                mask.wear();
                assert_eq!(SignalMask::current(), mask);
            }
        });
    }

    #[test]
    fn an_io_thread_adds_what_is_sent_to_processes_and_opens_itself_to_faults() {
        let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
        let io = mask_of(&[first, libc::SIGSEGV, libc::SIGTERM]).for_io();
        let blocked = |signal: c_int| io.0 >> signal & 1 == 1;
        for signal in 1..=last {
            let process = PROCESS_SIGNALS.contains(&signal);
            assert_eq!(blocked(signal), process || signal == first, "signal {signal}");
        }
        assert!(FAULT_SIGNALS.iter().all(|signal| !PROCESS_SIGNALS.contains(signal)));
        assert!(!blocked(libc::SIGPROF));
    }

    #[test]
    fn a_held_sigpipe_is_taken_back() {
        use std::io::Write;
        apart(|| {
            let (mut near, far) = std::io::pipe().map(|(far, near)| (near, far)).unwrap();
            drop(far);
            let before = SignalMask::current();
            let held = NoSigpipe::begin();
            assert!(!held.is_raised());
            near.write_all(b"x").unwrap_err();
            assert!(held.is_raised());
            drop(held);
            assert_eq!(SignalMask::current(), before);
            assert!(!NoSigpipe::begin().is_raised());
            let outer = NoSigpipe::begin();
            near.write_all(b"x").unwrap_err();
            drop(NoSigpipe::begin());
            assert!(outer.is_raised(), "it was there before");
        });
    }
}
