//! The system's knowledge of a socket, and the meaning of its errors.

use std::ffi::c_int;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

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
