//! The registry of handles: what each kind of them leads to, and where that is kept.
//!
//! A handle is a number in the shape of a pointer: a tag that says of what kind it is, and the key
//! of a slab ([`super::slab`]). It is never dereferenced, so any value may be looked up, and a
//! stale or made-up one finds nothing. What the objects are stands in [`super::objects`], apart
//! from those that keep something in a slab themselves; when handles begin and end is told in
//! [`super::loan`] and by the functions.

use std::cell::OnceCell;
use std::num::NonZeroU64;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock};

use crate::client::{Failure, Notice, Session, Status};
use crate::codec::Tree;
use crate::codec::value::Node;

use super::objects::{
    BuilderObject, Challenge, ConnectionObject, Invocation, Lendable, Message, PendingAttempt,
    Refs, RouterObject,
};
use super::slab::Slab;
use super::types::*;

/// A type of handles, as rustc sees it behind the pointers of wamp.h.
pub(super) trait Handle: Sized + 'static {
    /// The kind, in a handle's highest bits.
    const TAG: Tag;

    /// The object that a handle leads to.
    type Object: ?Sized + Send + Sync;

    /// The slab of all objects of this kind.
    fn slab() -> &'static Slab<Arc<Self::Object>>;
}

macro_rules! handles {
    ($($handle:ident, $tag:ident, $slab:ident: $object:ty;)+) => {
        $(
            static $slab: Slab<Arc<$object>> = Slab::new();

            impl Handle for $handle {
                const TAG: Tag = Tag::$tag;
                type Object = $object;

                fn slab() -> &'static Slab<Arc<$object>> {
                    &$slab
                }
            }
        )+
    };
}

handles! {
    wamp_connection_t, Connection, CONNECTIONS: ConnectionObject;
    wamp_session_t, Session, SESSIONS: SessionObject;
    wamp_invocation_t, Invocation, INVOCATIONS: Lendable<Invocation>;
    wamp_message_t, Message, MESSAGES: dyn Message;
    wamp_builder_t, Builder, BUILDERS: Mutex<BuilderObject>;
    wamp_router_t, Router, ROUTERS: RouterObject;
    wamp_challenge_t, Challenge, CHALLENGES: Lendable<Challenge>;
    wamp_attempt_t, Attempt, ATTEMPTS: Lendable<PendingAttempt>;
    wamp_buffer_t, Buffer, BUFFERS: Mutex<Vec<u8>>;
}

/// A handle for `object`; `None` when there can be no more of them.
pub(super) fn insert<H: Handle>(object: Arc<H::Object>) -> Option<*mut H> {
    H::slab().insert(object).map(from_key)
}

/// The object that a handle leads to.
#[inline]
pub(super) fn find<H: Handle>(handle: *mut H) -> Result<Arc<H::Object>, Failure> {
    key(handle).and_then(find_key::<H>).ok_or_else(|| Status::Handle.into())
}

/// Takes the object out: its handle leads nowhere from now on.
pub(super) fn remove<H: Handle>(handle: *mut H) -> Result<Arc<H::Object>, Failure> {
    key(handle).and_then(|key| H::slab().remove(key)).ok_or_else(|| Status::Handle.into())
}

/// The object under a key, as the client keeps it for us.
#[inline]
pub(super) fn find_key<H: Handle>(key: u64) -> Option<Arc<H::Object>> {
    H::slab().with(key, Arc::clone)
}

/// The handle of a key.
pub(super) fn from_key<H: Handle>(key: u64) -> *mut H {
    H::TAG.handle(key)
}

/// The key of a handle; `None` if it is one of something else.
pub(super) fn key<H: Handle>(handle: *mut H) -> Option<u64> {
    H::TAG.key(handle)
}

/// The session that a handle leads to.
#[inline]
pub(super) fn session(handle: *mut wamp_session_t) -> Result<Arc<Session>, Failure> {
    let found = key(handle).and_then(|key| SESSIONS.with(key, |object| object.session.clone()));
    found.ok_or_else(|| Status::Handle.into())
}

/// A session of the program.
pub(super) struct SessionObject {
    pub(super) session: Arc<Session>,
    pub(super) refs: Refs,
    /// WELCOME.Details, once somebody has looked.
    pub(super) details: OnceLock<Option<OpenTree>>,
}

// ===== lenses =====

/// Slots for a million trees, which hold 2^40 nodes each in the course of time: a slot's nodes are
/// numbered through all trees that it ever has, so that no stale lens ever fits a later one.
type Trees = Slab<Tree, 20, 40, { u32::MAX as u64 }>;

static TREES: Trees = Slab::new();

/// A tree that lenses can look at, until this is dropped.
pub(super) struct OpenTree(NonZeroU64);

impl OpenTree {
    /// Makes a tree visible; `None` if there is no room.
    #[inline]
    pub(super) fn new(tree: Tree) -> Option<OpenTree> {
        TREES.insert(tree).and_then(NonZeroU64::new).map(OpenTree)
    }

    /// The lens on the whole of it.
    pub(super) fn root(&self) -> *const wamp_value_t {
        Tag::Value.handle::<wamp_value_t>(self.0.get())
    }
}

impl Drop for OpenTree {
    fn drop(&mut self) {
        drop(TREES.remove_of(self.0.get(), |tree| u64::from(tree.nodes())));
    }
}

/// The lens on the whole of a tree; NULL if there is none.
pub(super) fn root_of(tree: Option<&OpenTree>) -> *const wamp_value_t {
    tree.map_or(ptr::null(), OpenTree::root)
}

/// Shows `look` the node behind a lens, with its tree and its number there.
#[inline]
pub(super) fn with_node<R>(
    lens: *const wamp_value_t,
    look: impl FnOnce(&Tree, u32, Node) -> Option<R>,
) -> Option<R> {
    let look = |tree: &Tree, which| {
        let index = u32::try_from(which).ok()?;
        look(tree, index, tree.node(index)?)
    };
    TREES.with_any(Tag::Value.key(lens)?, look).flatten()
}

/// The lens on the node that is `steps` behind that of another one in the same tree.
pub(super) fn step(lens: *const wamp_value_t, steps: u32) -> Option<*const wamp_value_t> {
    let there = Trees::nth_key(Tag::Value.key(lens)?, u64::from(steps));
    Some(Tag::Value.handle::<wamp_value_t>(there))
}

// ===== views of events =====

/// The slots of notices that are shown. Their keys are the tokens of events, which are no handles.
pub(super) static VIEWS: Slab<ViewSlot> = Slab::new();

/// The place of a notice that is shown, and what lenses have opened of it.
pub(super) struct ViewSlot {
    pub(super) notice: *const Notice,
    pub(super) args: OnceCell<Option<OpenTree>>,
    pub(super) kwargs: OnceCell<Option<OpenTree>>,
    pub(super) details: OnceCell<Option<OpenTree>>,
}

// SAFETY: the notice may be read on any thread; it is only read under the slot's lock, and the
// slot is emptied before the notice ends (see EventView).
unsafe impl Send for ViewSlot {}

// ===== tags =====

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
}

const TAG_SHIFT: u32 = 60;

impl Tag {
    /// The handle of a slab's key.
    fn handle<T>(self, key: u64) -> *mut T {
        ptr::without_provenance_mut(((self as u64) << TAG_SHIFT | key ^ salt()) as usize)
    }

    /// The slab's key of a handle; `None` if it is one of something else.
    fn key<T>(self, handle: *const T) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_know_what_they_are() {
        let handle: *mut wamp_session_t = from_key(5);
        assert_eq!(key(handle), Some(5));
        assert_eq!(Tag::Connection.key(handle), None);
        assert_eq!(key(ptr::null_mut::<wamp_session_t>()), None);
    }

    #[test]
    fn a_handle_is_found_until_it_is_removed() {
        let handle: *mut wamp_buffer_t = insert(Arc::new(Mutex::new(vec![7]))).unwrap();
        assert!(find(handle.cast::<wamp_builder_t>()).is_err(), "of another kind");
        assert!(find(handle).is_ok() && remove(handle).is_ok());
        assert!(find(handle).is_err() && remove(handle).is_err());
    }
}
