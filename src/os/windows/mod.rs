//! Windows: no signals, no `fork`, and sockets that are no files.

mod flag;
mod inherited;
mod local;
mod process;
mod sockets;
mod watch;

pub(crate) use flag::Flag;
pub use inherited::ReadySocket;
pub(crate) use inherited::inherited;
#[cfg(test)]
pub(crate) use local::HAS_LOCAL_SOCKETS;
pub(crate) use local::{LocalListener, LocalStream, connect_local};
pub(crate) use process::{
    NoCancel, NoSigpipe, SignalMask, ThreadId, is_own_thread, memory, threads_are_lost, uptime,
    watch_process,
};
pub(crate) use sockets::{
    Descriptors, Room, TELLS_UNACKNOWLEDGED, descriptors, is_closed, is_exhausted, made_above,
    raised, tcp_silence, unacknowledged, wait_readable,
};
#[cfg(test)]
pub(crate) use sockets::{keepalive_times, user_timeout};
pub(crate) use watch::{Detached, Returned, Watched};

/// A socket's number.
pub(crate) type Descriptor = std::os::windows::io::RawSocket;
/// No socket's number.
pub(crate) const NO_DESCRIPTOR: Descriptor =
    windows_sys::Win32::Networking::WinSock::INVALID_SOCKET as Descriptor;
