//! The system's knowledge of a socket, and the meaning of its errors.

use std::ffi::c_int;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};

use super::descriptors::{FileId, file_id};

/// The number of written bytes that wait for the socket's peer: over TCP until the peer's system
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

/// For how long the machine at the other end of a TCP connection has answered nothing of what it
/// was sent. A peer whose window is closed takes nothing, and answers when it is asked whether it
/// is still closed, which the system does more and more seldom: that is no silence.
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

/// Reads what is there; 0 bytes are the end of the stream.
pub(crate) fn receive(socket: RawFd, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: nothing but initialized bytes is written to it, by the system.
    let room = unsafe { buffer.unfilled_mut() };
    // SAFETY: the system writes at most as many bytes as there is room for.
    let read = unsafe { libc::recv(socket, room.as_mut_ptr().cast(), room.len(), 0) };
    let Ok(read) = usize::try_from(read) else {
        return Err(io::Error::last_os_error());
    };
    // SAFETY: the system has written so many.
    unsafe { buffer.assume_init(read) };
    buffer.advance(read);
    Ok(read)
}

/// Has the runtime in whose context this is called watch for what can be read.
pub(crate) fn watch_reads(socket: Ours<OwnedFd>) -> io::Result<AsyncFd<Ours<OwnedFd>>> {
    // SAFETY: the socket owns its descriptor, always the same, and stays open until it is dropped.
    let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// Waits until one of them can be read, or has failed, or the time is up; tells which. A signal may
/// end it early.
pub(crate) fn wait_readable(fds: [RawFd; 2], timeout: Duration) -> io::Result<[bool; 2]> {
    let mut polled = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // Rounded up, not to wake for nothing at the end.
    let timeout = timeout.as_nanos().div_ceil(1_000_000);
    let timeout = c_int::try_from(timeout).unwrap_or(c_int::MAX);
    // SAFETY: there are two of them.
    match unsafe { libc::poll(polled.as_mut_ptr(), 2, timeout) } {
        ..0 => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok([false; 2]),
            error => Err(error),
        },
        _ => Ok(polled.map(|polled| polled.revents != 0)),
    }
}

/// True for what a system says that has nothing left to give: that is nobody else's fault, and no
/// bug of ours.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| {
        [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&code)
    })
}

/// True for what a system says of a descriptor that the program has closed under the library.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EBADF)
}

/// A socket that is closed only as long as its number is its own: where the program has closed it
/// under us, the number may be somebody else's by now.
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

impl<T: AsRawFd> Ours<T> {
    /// The same socket as another type, as long as it is our own.
    pub(crate) fn try_map<U: AsRawFd>(
        self,
        turn: impl FnOnce(T) -> io::Result<U>,
    ) -> io::Result<Ours<U>> {
        let mut this = ManuallyDrop::new(self);
        if file_id(this.socket.as_raw_fd()) != this.id {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // SAFETY: it is taken once, here, and never dropped with `this`.
        let socket = unsafe { ManuallyDrop::take(&mut this.socket) };
        Ok(Ours { socket: ManuallyDrop::new(turn(socket)?), id: this.id })
    }
}

impl<T: AsRawFd> AsRawFd for Ours<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
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
