//! The part that Linux has beyond other Unix systems.

mod room;

use std::ffi::c_int;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

pub(crate) use room::Room;

/// A flag of `sendmsg`: a peer that has gone is told as an error, and by no signal.
pub(super) const NO_SIGPIPE: c_int = libc::MSG_NOSIGNAL;

/// A descriptor that is readable while it counts something.
#[derive(Debug)]
pub(super) struct Signal(OwnedFd);

impl Signal {
    /// One that counts nothing, whose descriptor has the number that `placed` gives it.
    pub(super) fn new(placed: fn(OwnedFd) -> OwnedFd) -> io::Result<Signal> {
        // SAFETY: eventfd takes no pointers; a non-negative result is a new fd that we own.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: see above.
        Ok(Signal(placed(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Makes it readable.
    #[inline]
    pub(super) fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the buffer has the eight bytes that are written.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable.
    #[inline]
    pub(super) fn lower(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the buffer has room for the eight bytes that are read.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsRawFd for Signal {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// True: [`unacknowledged`] tells something.
pub(crate) const TELLS_UNACKNOWLEDGED: bool = true;

/// The number of written bytes that wait for the socket's peer: over TCP until the peer's system
/// has acknowledged them, on a Unix socket until the peer has read them, and then with what the
/// system needs to keep them. 0 where the system does not tell.
pub(crate) fn unacknowledged(socket: RawFd) -> u64 {
    let mut waiting: c_int = 0;
    // SAFETY: this request writes one int, and fails on what is no socket.
    match unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &mut waiting) } {
        0 => u64::try_from(waiting).unwrap_or(0),
        _ => 0,
    }
}

/// For how long the machine at the other end of a TCP connection has answered nothing of what it
/// was sent. A peer whose window is closed takes nothing, and answers when it is asked whether it
/// is still closed, which the system does more and more seldom: that is no silence.
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

/// The time since the machine was started, with that in which it was suspended.
pub(crate) fn uptime() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for what is written, and every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// The least limit that a control group sets to the memory of this process. Those above its own set
/// limits, too; a container may see its own as the only one.
pub(super) fn memory_of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(memory_limit).min()
}

/// The limit of a line of `/proc/self/cgroup`, of either version: `NUMBER:CONTROLLERS:PATH`.
fn memory_limit(line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (top, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return None,
    };
    let limits = Path::new(path.strip_prefix('/')?).ancestors().filter_map(|group| {
        let text = fs::read_to_string(Path::new(top).join(group).join(file)).ok()?;
        // Or "max".
        text.trim().parse().ok()
    });
    limits.min()
}

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

/// Android cancels no threads.
#[cfg(target_os = "android")]
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
pub(crate) struct ThreadId(libc::pid_t);

impl ThreadId {
    /// The one that asks.
    pub(crate) fn current() -> ThreadId {
        // SAFETY: takes no pointers and cannot fail.
        ThreadId(unsafe { libc::gettid() })
    }

    /// True once the system has nothing left of it.
    pub(crate) fn is_gone(&self) -> bool {
        // SAFETY: takes no pointers; without a signal it only looks.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.0, 0) != 0 }
    }
}

/// The time after which the system gives up what is not confirmed; `None` for its own.
#[cfg(test)]
pub(crate) fn user_timeout(tcp: &tokio::net::TcpStream) -> Option<Duration> {
    socket2::SockRef::from(tcp).tcp_user_timeout().ok()?
}
