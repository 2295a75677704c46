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

/// Pointers have 32 bits, so that handles have to do with less than they should have.
pub(super) const IS_NARROW: bool = usize::BITS < 64;

impl Tag {
    /// The number in the highest bits, and of how many bits the key below it is. Where there are
    /// few, values have half of all numbers, as each of them needs one.
    #[inline]
    const fn place(self) -> (u64, u32) {
        match (IS_NARROW, self) {
            (false, _) => (self as u64, 60),
            (true, Tag::Value) => (1, 31),
            (true, _) => (self as u64, 27),
        }
    }

    /// The handle of a slab's key. NULL for a key that has no room, as there may be where pointers
    /// have 32 bits.
    #[inline]
    pub(super) fn handle<T>(self, key: u64) -> *mut T {
        let (number, bits) = self.place();
        if IS_NARROW && key >> bits != 0 {
            return ptr::null_mut();
        }
        ptr::without_provenance_mut((number << bits | key ^ salt(bits)) as usize)
    }

    /// The slab's key of a handle; `None` if it is one of something else.
    #[inline]
    pub(super) fn key<T>(self, handle: *const T) -> Option<u64> {
        let (expected, bits) = self.place();
        let number = handle.addr() as u64;
        let key = number & ((1 << bits) - 1);
        (number >> bits == expected).then_some(key ^ salt(bits))
    }
}

/// Differs between two copies of the library in one process, which lie at different addresses: so a
/// handle of the one is no handle of the other.
#[inline]
fn salt(bits: u32) -> u64 {
    static PLACE: u8 = 0;
    let address = ptr::from_ref(&PLACE).addr() as u64;
    // Every bit of the address moves the upper bits, where generations stand.
    address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - bits)
}

// Handles are numbers in the shape of a pointer.
const _: () = assert!(usize::BITS == 64 || usize::BITS == 32, "pointers of 32 or 64 bits");
