//! Unix: written for Linux; other systems take the portable halves, which are not tried.

mod descriptors;
mod flag;
mod fork;
mod inherited;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
mod local;
mod memory;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;
mod ours;
mod signals;
mod sockets;
mod watch;

#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as kernel;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use other as kernel;

pub(crate) use descriptors::{Descriptors, descriptors, made_above, raised};
pub(crate) use flag::Flag;
pub(crate) use fork::{threads_are_lost, watch_process};
pub use inherited::ReadySocket;
pub(crate) use inherited::inherited;
#[cfg(test)]
pub(crate) use kernel::user_timeout;
pub(crate) use kernel::{
    NoCancel, Room, TELLS_UNACKNOWLEDGED, ThreadId, tcp_silence, unacknowledged, uptime,
};
#[cfg(test)]
pub(crate) use local::HAS_LOCAL_SOCKETS;
pub(crate) use local::{LocalListener, LocalStream, connect_local};
pub(crate) use memory::memory;
pub(crate) use signals::{NoSigpipe, SignalMask, is_own_thread};
#[cfg(test)]
pub(crate) use sockets::keepalive_times;
pub(crate) use sockets::{is_closed, is_exhausted, wait_readable};
pub(crate) use watch::{Detached, Returned, Watched};

/// A descriptor's number.
pub(crate) type Descriptor = std::os::fd::RawFd;
/// No descriptor's number.
pub(crate) const NO_DESCRIPTOR: Descriptor = -1;
