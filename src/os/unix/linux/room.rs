//! Room in the kernel's table of descriptors, made before it is needed.
//!
//! Linux makes the table twice as large when it is full. In a process with threads whoever opens a
//! descriptor then waits until no processor uses the former table any more, for 10 ms or longer,
//! and on an I/O thread all connections wait with it.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use super::super::descriptors::{copy_above, limit};
use super::super::flag::Flag;

/// The room that there is once the library's own descriptors are, which have raised numbers.
const FIRST: RawFd = 1024;
/// The factor by which room is made: there is time for that while a quarter of it is left.
const GROWTH: RawFd = 4;

/// The number of descriptors for which there is room, or will be.
static ROOM: AtomicI32 = AtomicI32::new(FIRST);

/// Room that is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Room(RawFd);

impl Room {
    /// The room that is to be made as this descriptor is there, and more are likely to come.
    /// `None`: there is enough, or somebody was told already.
    pub(crate) fn lacking(descriptor: RawFd) -> Option<Room> {
        Room::beyond(&ROOM, descriptor, limit)
    }

    fn beyond(room: &AtomicI32, descriptor: RawFd, limit: fn() -> RawFd) -> Option<Room> {
        let present = room.load(Ordering::Relaxed);
        if descriptor < present - present / 4 {
            return None;
        }
        let next = descriptor.saturating_mul(GROWTH).max(present).min(limit());
        let is_first = |room: RawFd| (room == present && room < next).then_some(next);
        room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_first).ok()?;
        Some(Room(next))
    }

    /// Makes it, which is what the thread waits for.
    pub(crate) fn make(self) {
        // Where there is no descriptor left, room is not what is missing.
        if let Ok(flag) = Flag::new() {
            drop(copy_above(flag.fd(), self.0 - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::os::fd::AsRawFd;
    use std::time::{Duration, Instant};

    use tokio::net::TcpStream;

    use super::*;
    use crate::transport::Stream;

    fn table_size() -> RawFd {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        line.trim().parse().unwrap()
    }

    #[test]
    fn room_is_made_once_and_in_time() {
        let room = AtomicI32::new(1024);
        let beyond = |descriptor| Room::beyond(&room, descriptor, || 20_000);
        assert_eq!(beyond(767), None);
        assert_eq!(beyond(768), Some(Room(3072)));
        assert_eq!(beyond(769), None, "somebody makes it");
        assert_eq!(beyond(2304), Some(Room(9216)));
        assert_eq!(beyond(9000), Some(Room(20_000)));
        assert_eq!(beyond(19_999), None, "there can be no more");
    }

    /// Whoever has a socket of so high a number has room made for those to come.
    #[tokio::test]
    async fn sockets_have_room_made() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let low = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        low.set_nonblocking(true).unwrap();
        let high = copy_above(low.as_raw_fd(), FIRST - FIRST / 4).unwrap();
        let wanted = (high.as_raw_fd() * GROWTH).min(limit());
        let high = TcpStream::from_std(StdStream::from(high)).unwrap();
        let _stream = Stream::from(high);
        assert!(ROOM.load(Ordering::Relaxed) >= wanted);
        let begun = Instant::now();
        while table_size() < wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", table_size());
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn there_is_room_in_the_end() {
        let wanted = (2 * table_size()).min(limit());
        Room(wanted).make();
        assert!(table_size() >= wanted);
    }
}
