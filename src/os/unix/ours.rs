//! A socket that the program may close under the library.

use std::io;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, RawFd};

use super::descriptors::{FileId, file_id};

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
