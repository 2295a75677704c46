//! A service manager such as systemd: the sockets that it hands over (sd_listen_fds(3)), and what
//! it wants to be told (sd_notify(3)).

use std::env;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use wamp::facade::router::{ReadySocket, inherited_sockets};

use wamp_tools::Failure;

/// The sockets that were handed over to this process.
pub(crate) fn sockets() -> Result<Vec<ReadySocket>, Failure> {
    let count = match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(pid), Some(count)) if pid == u64::from(std::process::id()) => count,
        _ => return Ok(Vec::new()),
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let sockets = inherited_sockets(count);
    let sockets = sockets.map_err(|error| {
        Failure::new(format!("a socket that was handed over is no use: {error}"))
    })?;
    if sockets.len() < count {
        let why = format!("LISTEN_FDS is {count}, but {} are there", sockets.len());
        return Err(Failure::new(why));
    }
    Ok(sockets)
}

/// A manager that waits for news; or none.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The manager that the environment names.
    pub(crate) fn from_environment() -> Manager {
        let address = env::var_os("NOTIFY_SOCKET").and_then(|name| address(&name));
        let socket = UnixDatagram::unbound().ok().zip(address);
        let is_meant =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|time| is_meant && *time > 0);
        Manager { socket, watchdog: watchdog.map(|time| Duration::from_micros(time) / 2) }
    }

    /// The time after which it wants to hear something again.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells it something, such as `READY=1`.
    pub(crate) fn tell(&self, news: &str) {
        if let Some((socket, address)) = &self.socket {
            // There is nobody else to tell.
            let _ = socket.send_to_addr(news.as_bytes(), address);
        }
    }
}

#[cfg(target_os = "linux")]
fn address(name: &std::ffi::OsStr) -> Option<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;

    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        _ => SocketAddr::from_pathname(name).ok(),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &std::ffi::OsStr) -> Option<SocketAddr> {
    SocketAddr::from_pathname(name).ok()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
