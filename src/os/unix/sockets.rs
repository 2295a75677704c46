//! Sockets by their numbers, and the meaning of the system's errors.

use std::ffi::c_int;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

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

/// The silence after which the system asks a TCP peer, and the time between its questions; `None`
/// where it does not tell.
#[cfg(test)]
pub(crate) fn keepalive_times(tcp: &tokio::net::TcpStream) -> Option<(Duration, Duration)> {
    let socket = socket2::SockRef::from(tcp);
    Some((socket.tcp_keepalive_time().ok()?, socket.tcp_keepalive_interval().ok()?))
}
