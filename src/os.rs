//! The small part that depends on the operating system: signals, fork, what it
//! knows of a peer, and a pollable fd.
//!
//! Written for Linux; other Unix systems take the portable halves, which are not tried yet.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fs;
use std::io;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    pub(crate) fn of_this_thread() -> SignalMask {
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

/// A flag of `sendmsg`: a peer that has gone is told as an error, and by no signal. Where there is
/// no such flag sockets have an option for it, which mio sets.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const NO_SIGPIPE: c_int = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const NO_SIGPIPE: c_int = 0;

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

/// How many bytes of what was written to a socket wait for its peer: over TCP until the peer's system
/// has acknowledged them, on a Unix socket until the peer has read them, and then with what the
/// system needs to keep them. 0 where the system does not tell.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unacknowledged(socket: RawFd) -> u64 {
    let mut waiting: c_int = 0;
    // SAFETY: this request writes one int, and fails on what is no socket.
    match unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &mut waiting) } {
        0 => u64::try_from(waiting).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unacknowledged(_socket: RawFd) -> u64 {
    0
}

/// For how long the machine at the other end of a TCP connection has answered nothing of what it was
/// sent. A peer whose window is closed takes nothing, and answers when it is asked whether it is
/// still closed, which the system does more and more seldom: that is no silence.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn tcp_silence(socket: RawFd) -> Option<Duration> {
    /// So many questions about a closed window go unanswered before that is silence.
    const QUESTIONS: u8 = 3;
    // SAFETY: it is plain numbers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut size = size_of_val(&info) as libc::socklen_t;
    let to = (&raw mut info).cast();
    // SAFETY: the system writes at most `size` bytes, and fails on what is no TCP socket.
    let told =
        unsafe { libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, to, &mut size) };
    if told != 0 {
        return None;
    }
    let is_asked = info.tcpi_unacked > 0 || info.tcpi_probes >= QUESTIONS;
    Some(match is_asked {
        true => Duration::from_millis(info.tcpi_last_ack_recv.into()),
        false => Duration::ZERO,
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn tcp_silence(_socket: RawFd) -> Option<Duration> {
    None
}

/// Keeps the calling thread from being canceled (`pthread_cancel`) until dropped: cancellation unwinds
/// the stack, which Rust does not bear. A cancellation that comes meanwhile waits.
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

/// True for what a system says that has nothing left to give: that is nobody else's fault, and no
/// bug of ours.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| {
        [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&code)
    })
}

/// A socket that is closed only as long as its number is its own: where the program has closed it under
/// us, the number may be somebody else's by now.
#[derive(Debug)]
pub(crate) struct Ours<T: AsRawFd> {
    socket: ManuallyDrop<T>,
    id: Option<FileId>,
}

impl<T: AsRawFd> Ours<T> {
    /// Takes a socket that is open.
    pub(crate) fn new(socket: T) -> Ours<T> {
        let id = file_id(socket.as_raw_fd());
        Ours { socket: ManuallyDrop::new(socket), id }
    }
}

impl<T: AsRawFd> Deref for Ours<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.socket
    }
}

impl<T: AsRawFd> DerefMut for Ours<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.socket
    }
}

impl<T: AsRawFd> Drop for Ours<T> {
    fn drop(&mut self) {
        if file_id(self.socket.as_raw_fd()) == self.id {
            // SAFETY: it is dropped once, here, and not touched any more.
            unsafe { ManuallyDrop::drop(&mut self.socket) };
        }
    }
}

/// What stands under a descriptor's number: device and inode.
type FileId = (u64, u64);

/// What stands under the number `fd`; `None` for nothing.
fn file_id(fd: RawFd) -> Option<FileId> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what is written, and a number that is no descriptor is an error.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: fstat has filled it.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast)] // their types differ from system to system
    Some((stat.st_dev as u64, stat.st_ino as u64))
}

/// Descriptors that a poll of the system hangs on, by number, each with the name of its kind.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(BTreeMap<RawFd, PathBuf>);

/// Those of the process at this moment, as far as the system tells.
pub(crate) fn descriptors() -> Descriptors {
    let listed = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let named = listed.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let kind = fs::read_link(entry.path()).ok()?;
        let polls = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"];
        polls.iter().any(|name| kind == Path::new(name)).then_some((number, kind))
    });
    Descriptors(named.collect())
}

impl Descriptors {
    /// Those that are not among `others`.
    pub(crate) fn without(mut self, others: &Descriptors) -> Descriptors {
        self.0.retain(|number, _| !others.0.contains_key(number));
        self
    }

    /// True while all of them are open, and are what they were.
    pub(crate) fn are_there(&self) -> bool {
        let there = descriptors();
        self.0.iter().all(|(number, kind)| there.0.get(number) == Some(kind))
    }

    /// Takes their numbers out of use for good, as far as nobody has them: what goes on using them shall
    /// not meet somebody else's files.
    pub(crate) fn occupy(&self) {
        let Ok(nothing) = fs::File::open("/dev/null") else {
            return;
        };
        let nothing = OwnedFd::from(nothing);
        for number in self.0.keys() {
            if file_id(*number).is_some() {
                continue;
            }
            // SAFETY: a copy of a descriptor that is open, under a number that nobody has.
            let copy = unsafe { libc::fcntl(nothing.as_raw_fd(), libc::F_DUPFD_CLOEXEC, *number) };
            if copy >= 0 && copy != *number {
                // SAFETY: ours, as it was made just now. Another thread was faster with the number.
                unsafe { libc::close(copy) };
            }
        }
        // The system gives the lowest number that is free, which may well be one of them.
        if self.0.contains_key(&nothing.as_raw_fd()) {
            mem::forget(nothing);
        }
    }
}

/// A thread, as the system knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadId(#[cfg(target_os = "linux")] libc::pid_t);

impl ThreadId {
    /// The one that asks.
    pub(crate) fn of_this_thread() -> ThreadId {
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

/// True for what a system says of a descriptor that the program has closed under the library.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EBADF)
}

static FORKED: AtomicBool = AtomicBool::new(false);

/// True in a child that was forked after [`watch_fork`]: our threads do not exist there.
#[inline]
pub(crate) fn forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// From now on children of this process learn that they are children. Checking a flag is cheaper
/// than comparing process ids, which costs a system call each time.
pub(crate) fn watch_fork() {
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
pub(crate) struct Flag {
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
        Ok(Flag { fd })
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
        Ok(Flag { fd: near.into(), far_end })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(signals: &[c_int]) -> SignalMask {
        SignalMask(signals.iter().fold(0, |bits, signal| bits | 1 << signal))
    }

    /// Runs on a thread of its own, whose mask is nobody else's.
    fn apart(test: impl FnOnce() + Send) {
        std::thread::scope(|scope| scope.spawn(test).join().unwrap());
    }

    #[test]
    fn a_mask_is_worn_and_given_back() {
        apart(|| {
            let (one, other) = (of(&[libc::SIGUSR1]), of(&[libc::SIGUSR2, libc::SIGRTMAX()]));
            one.wear();
            assert_eq!(SignalMask::of_this_thread(), one);
            let borrowed = other.borrow();
            assert_eq!(SignalMask::of_this_thread(), other);
            drop(borrowed);
            assert_eq!(SignalMask::of_this_thread(), one);
            for mask in [other, other, one] {
                mask.wear();
                assert_eq!(SignalMask::of_this_thread(), mask);
            }
        });
    }

    #[test]
    fn an_io_thread_adds_what_is_sent_to_processes_and_opens_itself_to_faults() {
        let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
        let io = of(&[first, libc::SIGSEGV, libc::SIGTERM]).for_io();
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
            let before = SignalMask::of_this_thread();
            let held = NoSigpipe::begin();
            assert!(!held.is_raised());
            near.write_all(b"x").unwrap_err();
            assert!(held.is_raised());
            drop(held);
            assert_eq!(SignalMask::of_this_thread(), before);
            assert!(!NoSigpipe::begin().is_raised());
            let outer = NoSigpipe::begin();
            near.write_all(b"x").unwrap_err();
            drop(NoSigpipe::begin());
            assert!(outer.is_raised(), "it was there before");
        });
    }
}
