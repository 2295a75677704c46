//! The memory that there is.

use super::kernel;

/// The bytes of memory that this process may have at most: those of the machine, or fewer where a
/// control group, as of a container, leaves it fewer. `None` where the system does not tell.
pub(crate) fn memory() -> Option<u64> {
    // SAFETY: sysconf takes no pointers.
    let [pages, size] =
        [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|name| unsafe { libc::sysconf(name) });
    let machine = u64::try_from(pages).ok().zip(u64::try_from(size).ok());
    let machine = machine.map(|(pages, size)| pages.saturating_mul(size));
    machine.into_iter().chain(kernel::memory_of_group()).min()
}
