//! Tags: of what kind a handle is, in its highest bits, and which copy of the library made it.

use std::ptr;

/// The kind of a handle, in its highest bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Tag {
    Connection = 1,
    Session = 2,
    Invocation = 3,
    Message = 4,
    Value = 5,
    Builder = 6,
    Router = 7,
    Challenge = 8,
    Attempt = 9,
    Buffer = 10,
    Question = 11,
}

const TAG_SHIFT: u32 = 60;

impl Tag {
    /// The handle of a slab's key.
    #[inline]
    pub(super) fn handle<T>(self, key: u64) -> *mut T {
        ptr::without_provenance_mut(((self as u64) << TAG_SHIFT | key ^ salt()) as usize)
    }

    /// The slab's key of a handle; `None` if it is one of something else.
    #[inline]
    pub(super) fn key<T>(self, handle: *const T) -> Option<u64> {
        let number = handle.addr() as u64;
        let key = number & ((1 << TAG_SHIFT) - 1);
        (number >> TAG_SHIFT == self as u64).then_some(key ^ salt())
    }
}

/// Differs between two copies of the library in one process, which lie at different addresses: so a
/// handle of the one is no handle of the other.
#[inline]
fn salt() -> u64 {
    static PLACE: u8 = 0;
    let address = ptr::from_ref(&PLACE).addr() as u64;
    // Every bit of the address moves the upper bits, where generations stand.
    address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - TAG_SHIFT)
}

// Handles are numbers of 64 bits in the shape of a pointer.
const _: () = assert!(usize::BITS == 64, "libwamp needs a 64-bit target");
