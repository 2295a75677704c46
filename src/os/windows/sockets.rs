//! Sockets by their numbers, and the meaning of the system's errors.

use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY,
    ERROR_TOO_MANY_OPEN_FILES,
};
use windows_sys::Win32::Networking::WinSock::{
    POLLIN, SOCKET, SOCKET_ERROR, WSAEMFILE, WSAENOBUFS, WSAENOTSOCK, WSAPOLLFD, WSAPoll,
};

use super::Descriptor;

/// True if [`unacknowledged`] tells something.
pub(crate) const TELLS_UNACKNOWLEDGED: bool = false;

/// The number of written bytes that wait for the socket's peer: 0, as the system does not tell.
pub(crate) fn unacknowledged(_socket: Descriptor) -> u64 {
    0
}

/// For how long the machine at the other end has been silent, which the system does not tell.
pub(crate) fn tcp_silence(_socket: Descriptor) -> Option<Duration> {
    None
}

/// Waits until one of them can be read, or has failed, or the time is up; tells which.
pub(crate) fn wait_readable(fds: [Descriptor; 2], timeout: Duration) -> io::Result<[bool; 2]> {
    let mut polled = fds.map(|fd| WSAPOLLFD { fd: fd as SOCKET, events: POLLIN, revents: 0 });
    // Rounded up, not to wake for nothing at the end.
    let timeout = timeout.as_nanos().div_ceil(1_000_000);
    let timeout = i32::try_from(timeout).unwrap_or(i32::MAX);
    // SAFETY: there are two of them.
    match unsafe { WSAPoll(polled.as_mut_ptr(), 2, timeout) } {
        SOCKET_ERROR => Err(io::Error::last_os_error()),
        _ => Ok(polled.map(|polled| polled.revents != 0)),
    }
}

/// True for what a system says that has nothing left to give: that is nobody else's fault, and no
/// bug of ours.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    const RESOURCES: [u32; 4] = [
        ERROR_TOO_MANY_OPEN_FILES,
        ERROR_NOT_ENOUGH_MEMORY,
        ERROR_OUTOFMEMORY,
        ERROR_NO_SYSTEM_RESOURCES,
    ];
    error.raw_os_error().is_some_and(|code| {
        [WSAEMFILE, WSAENOBUFS].contains(&code) || RESOURCES.contains(&code.cast_unsigned())
    })
}

/// True for what a system says of a socket that the program has closed under the library.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAENOTSOCK)
}

/// The same: numbers of sockets are not low or high.
pub(crate) fn raised<T>(socket: T) -> T {
    socket
}

/// Runs what makes sockets.
pub(crate) fn made_above<T>(make: impl FnOnce() -> T) -> T {
    make()
}

/// Room for descriptors, of which the system makes as much as it needs by itself.
#[derive(Debug)]
pub(crate) enum Room {}

impl Room {
    /// None.
    pub(crate) fn lacking(_descriptor: Descriptor) -> Option<Room> {
        None
    }

    /// Makes it.
    pub(crate) fn make(self) {
        match self {}
    }
}

/// Handles that a poll of the system hangs on, which no program closes under the library.
#[derive(Debug, Default)]
pub(crate) struct Descriptors;

/// Those of the process at this moment.
pub(crate) fn descriptors() -> Descriptors {
    Descriptors
}

impl Descriptors {
    /// Those that are not among `others`.
    pub(crate) fn without(self, _others: &Descriptors) -> Descriptors {
        self
    }

    /// True while all of them are open, and are what they were.
    pub(crate) fn are_there(&self) -> bool {
        true
    }

    /// Takes those out that are not there any more.
    pub(crate) fn retain_there(&mut self) {}

    /// Takes their numbers out of use for good.
    pub(crate) fn occupy(&self) {}
}

/// The silence after which the system asks a TCP peer, which it does not tell.
#[cfg(test)]
pub(crate) fn keepalive_times(_tcp: &tokio::net::TcpStream) -> Option<(Duration, Duration)> {
    None
}

/// The time after which the system gives up what is not confirmed: nobody has set it.
#[cfg(test)]
pub(crate) fn user_timeout(_tcp: &tokio::net::TcpStream) -> Option<Duration> {
    None
}
