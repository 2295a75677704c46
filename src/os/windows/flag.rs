//! A socket and an event object that tell a loop of the host that events wait.

use std::ffi::{c_int, c_void};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle, RawSocket};
use std::ptr;

use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

/// A socket that is readable, and an event object that is signaled, while a flag is up.
#[derive(Debug)]
pub struct Flag {
    near: TcpStream,
    far: TcpStream,
    event: OwnedHandle,
}

impl Flag {
    /// A flag that is down.
    pub(crate) fn new() -> io::Result<Flag> {
        let (near, far) = pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        far.set_nodelay(true)?;
        // SAFETY: it takes no pointers but those, which may be null: one that only this process
        // has, without a name, reset by hand, and not signaled.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was made just now, for us.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        Ok(Flag { near, far, event })
    }

    /// Makes the socket readable, and signals the event.
    pub(crate) fn raise(&self) {
        // Where there is no room the socket is readable already.
        let _ = (&self.far).write(&[1]);
        // SAFETY: it is open as long as this is.
        unsafe { SetEvent(self.event.as_raw_handle()) };
    }

    /// Makes the socket unreadable, and resets the event.
    pub(crate) fn lower(&self) {
        while (&self.near).read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        // SAFETY: it is open as long as this is.
        unsafe { ResetEvent(self.event.as_raw_handle()) };
    }

    /// The socket, as C has it: of a handle's bits Windows uses 32 at most.
    pub(crate) fn number(&self) -> c_int {
        self.fd() as c_int
    }

    /// The socket.
    pub(crate) fn fd(&self) -> RawSocket {
        self.near.as_raw_socket()
    }

    /// The event object.
    pub(crate) fn event(&self) -> Option<*mut c_void> {
        Some(self.event.as_raw_handle())
    }
}

/// Two sockets that are connected with each other, and with no one else.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    loop {
        let (far, peer) = listener.accept()?;
        // Another program may be faster.
        if peer == near.local_addr()? {
            return Ok((near, far));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
    use windows_sys::Win32::System::Threading::WaitForSingleObject;

    use super::*;
    use crate::os::wait_readable;

    #[test]
    fn both_tell_the_same() {
        let flag = Flag::new().unwrap();
        let is_up = |patience: u32| {
            let fds = [flag.fd(), flag.fd()];
            let readable = wait_readable(fds, Duration::from_millis(patience.into())).unwrap()[0];
            // SAFETY: the event is open.
            let waited = unsafe { WaitForSingleObject(flag.event().unwrap(), patience) };
            assert_eq!(waited == WAIT_OBJECT_0, readable);
            readable
        };
        for _ in 0..2 {
            assert!(!is_up(0));
            flag.raise();
            assert!(is_up(60_000));
            flag.raise();
            assert!(is_up(60_000));
            flag.lower();
        }
        assert_eq!(flag.number() as RawSocket, flag.fd());
    }
}
