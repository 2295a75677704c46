//! Descriptors by their numbers, for where a program closes those of the library.
//!
//! Programs do that, as daemons with all above 2, and open files of their own then, which get the
//! lowest numbers that are free. What the library goes on using until it notices had better not
//! stand there: so its descriptors get higher numbers, as far as there is room for them.

use std::collections::BTreeMap;
use std::fs;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

/// The file behind a descriptor's number: device and inode.
pub(super) type FileId = (u64, u64);

/// The file behind the number `fd`; `None` for none.
pub(super) fn file_id(fd: RawFd) -> Option<FileId> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what is written, and a number that is no descriptor is an error.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: fstat has filled it.
    let stat = unsafe { stat.assume_init() };
    #[expect(clippy::unnecessary_cast, reason = "their types differ from system to system")]
    Some((stat.st_dev as u64, stat.st_ino as u64))
}

/// The most that the library's numbers begin with: above what most programs have, and below what
/// select() takes.
const MOST_FIRST: RawFd = 512;
/// The number of descriptors that select() takes.
const SELECTABLE: RawFd = 1024;

/// The same under a number of the library's, where there is one that select() takes, or it had none
/// of those before.
pub(crate) fn raised<T: FromRawFd + IntoRawFd>(descriptor: T) -> T {
    let low = descriptor.into_raw_fd();
    // SAFETY: it is given back by its owner.
    let keep = || unsafe { T::from_raw_fd(low) };
    let first = first();
    if low >= first {
        return keep();
    }
    let high = copy_above(low, first);
    match high {
        Some(high) if high.as_raw_fd() < SELECTABLE => {
            drop(keep());
            // SAFETY: what `into_raw_fd` gives is given to nobody else.
            unsafe { T::from_raw_fd(high.into_raw_fd()) }
        }
        _ => keep(),
    }
}

/// Runs what makes descriptors while the low numbers are taken. Other threads get higher ones
/// meanwhile, too.
pub(crate) fn made_above<T>(make: impl FnOnce() -> T) -> T {
    let first = first();
    let taken = fs::File::open("/dev/null").ok();
    let _low = taken.map(|nothing| {
        let mut low = vec![OwnedFd::from(nothing)];
        // The last one is no low number, and goes at once.
        while let Some(next) = copy_above(low[0].as_raw_fd(), 0).filter(|fd| fd.as_raw_fd() < first)
        {
            low.push(next);
        }
        low
    });
    make()
}

/// The number that the library's begin with: half of what the process may have, at most.
fn first() -> RawFd {
    MOST_FIRST.min(limit() / 2)
}

/// The number of descriptors that the process may have; 0 if the system does not tell.
pub(super) fn limit() -> RawFd {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: there is room for what is written.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } != 0 {
        return 0;
    }
    // SAFETY: getrlimit has filled it.
    let limit = unsafe { limit.assume_init() }.rlim_cur;
    RawFd::try_from(limit).unwrap_or(RawFd::MAX)
}

/// A copy under the lowest number that is free, from this one on.
pub(super) fn copy_above(descriptor: RawFd, first: RawFd) -> Option<OwnedFd> {
    // SAFETY: it takes numbers alone; one that is no descriptor is an error.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, first) };
    // SAFETY: it was made just now, for us.
    (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Descriptors that a poll of the system hangs on, by number, each with what stands behind it. That
/// is asked of the system and not of /proc, which a program may lose sight of: by chroot, or by
/// giving up its rights.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(BTreeMap<RawFd, FileId>);

/// Those of the process at this moment, as far as the system tells.
pub(crate) fn descriptors() -> Descriptors {
    let listed = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let named = listed.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let kind = fs::read_link(entry.path()).ok()?;
        let polls = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"];
        let is_one = polls.iter().any(|name| kind == Path::new(name));
        is_one.then(|| Some((number, file_id(number)?))).flatten()
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
        self.0.iter().all(|(number, file)| file_id(*number) == Some(*file))
    }

    /// Takes those out that are not there any more.
    pub(crate) fn retain_there(&mut self) {
        self.0.retain(|number, file| file_id(*number) == Some(*file));
    }

    /// Takes their numbers out of use for good, as far as nobody has them: what goes on using them
    /// shall not meet somebody else's files.
    pub(crate) fn occupy(&self) {
        let Ok(nothing) = fs::File::open("/dev/null") else {
            return;
        };
        let nothing = OwnedFd::from(nothing);
        for number in self.0.keys() {
            if file_id(*number).is_some() {
                continue;
            }
            // Another thread may be faster with the number.
            if let Some(copy) = copy_above(nothing.as_raw_fd(), *number)
                && copy.as_raw_fd() == *number
            {
                mem::forget(copy);
            }
        }
        // The system gives the lowest number that is free, which may well be one of them.
        if self.0.contains_key(&nothing.as_raw_fd()) {
            mem::forget(nothing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::Flag;

    #[test]
    fn what_is_replaced_is_missed_until_it_is_taken_out() {
        let before = descriptors();
        let flag = Flag::new().unwrap();
        let number = flag.fd();
        let mut ours = descriptors().without(&before);
        // Other tests open some at the same time.
        ours.0.retain(|fd, _| *fd == number);
        assert!(ours.0.len() == 1 && ours.are_there());
        let file = fs::File::open("/dev/null").unwrap();
        // SAFETY: both are open; the flag, which owns the number, is not used as one any more.
        assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
        assert!(!ours.are_there(), "another file is no eventfd");
        ours.retain_there();
        assert!(ours.0.is_empty() && ours.are_there());
    }
}
