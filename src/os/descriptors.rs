//! Descriptors by their numbers, for where a program closes those of the library.

use std::collections::BTreeMap;
use std::fs;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

/// What stands under a descriptor's number: device and inode.
pub(super) type FileId = (u64, u64);

/// What stands under the number `fd`; `None` for nothing.
pub(super) fn file_id(fd: RawFd) -> Option<FileId> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what is written, and a number that is no descriptor is an error.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: fstat has filled it.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast)] // their types differ from system to system
    Some((stat.st_dev as u64, stat.st_ino as u64))
}

/// Descriptors that a poll of the system hangs on, by number, each with the name of its kind.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(BTreeMap<RawFd, PathBuf>);

/// Those of the process at this moment, as far as the system tells.
pub(crate) fn descriptors() -> Descriptors {
    let listed = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let named = listed.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let kind = fs::read_link(entry.path()).ok()?;
        let polls = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"];
        polls.iter().any(|name| kind == Path::new(name)).then_some((number, kind))
    });
    Descriptors(named.collect())
}

impl Descriptors {
    /// Those that are not among `others`.
    pub(crate) fn without(mut self, others: &Descriptors) -> Descriptors {
        self.0.retain(|number, _| !others.0.contains_key(number));
        self
    }

    /// True while all of them are open, and are what they were.
    pub(crate) fn are_there(&self) -> bool {
        let there = descriptors();
        self.0.iter().all(|(number, kind)| there.0.get(number) == Some(kind))
    }

    /// Takes their numbers out of use for good, as far as nobody has them: what goes on using them shall
    /// not meet somebody else's files.
    pub(crate) fn occupy(&self) {
        let Ok(nothing) = fs::File::open("/dev/null") else {
            return;
        };
        let nothing = OwnedFd::from(nothing);
        for number in self.0.keys() {
            if file_id(*number).is_some() {
                continue;
            }
            // SAFETY: a copy of a descriptor that is open, under a number that nobody has.
            let copy = unsafe { libc::fcntl(nothing.as_raw_fd(), libc::F_DUPFD_CLOEXEC, *number) };
            if copy >= 0 && copy != *number {
                // SAFETY: ours, as it was made just now. Another thread was faster with the number.
                unsafe { libc::close(copy) };
            }
        }
        // The system gives the lowest number that is free, which may well be one of them.
        if self.0.contains_key(&nothing.as_raw_fd()) {
            mem::forget(nothing);
        }
    }
}
