//! The registry of handles: what each kind of them leads to, and where that is kept.
//!
//! A handle is a number in the shape of a pointer: a tag that says of what kind it is, and the key
//! of a slab ([`super::slab`]). It is never dereferenced, so any value may be looked up, and a
//! stale or made-up one finds nothing. What the objects are stands in [`super::objects`]; when
//! handles begin and end is told in [`super::loan`] and by the functions. Lenses, which are
//! handles, too, but lead to no object, are left to [`super::lens`].

use std::sync::{Arc, Mutex};

use crate::client::{Failure, Session, Status};
use crate::parts::Part;

use super::objects::{
    BuilderObject, Challenge, ConnectionObject, Invocation, Lendable, Message, PendingAttempt,
    RouterObject, RouterQuestion, SessionObject,
};
use super::slab::Slab;
use super::tag::Tag;
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
    wamp_question_t, Question, QUESTIONS: Lendable<RouterQuestion>;
    wamp_buffer_t, Buffer, BUFFERS: Mutex<Vec<u8>>;
}

/// A handle for `object`; `None` when there can be no more of them.
pub(super) fn insert<H: Handle>(object: Arc<H::Object>) -> Option<*mut H> {
    H::slab().insert(object).map(from_key)
}

/// The object that a handle leads to.
#[inline]
pub(super) fn find<H: Handle>(handle: *mut H) -> Result<Arc<H::Object>, Failure> {
    key(handle).and_then(find_key::<H>).ok_or_else(missing::<H>)
}

/// Takes the object out: its handle leads nowhere from now on.
pub(super) fn remove<H: Handle>(handle: *mut H) -> Result<Arc<H::Object>, Failure> {
    key(handle).and_then(|key| H::slab().remove(key)).ok_or_else(missing::<H>)
}

/// The failure of a handle that leads to nothing, as all do of a part that is left out.
#[cold]
fn missing<H: Handle>() -> Failure {
    let built = match H::TAG {
        Tag::Router | Tag::Question => Part::Router.require(),
        _ => Ok(()),
    };
    match built {
        Ok(()) => Status::Handle.into(),
        Err(left_out) => Failure::new(Status::Handle, left_out),
    }
}

/// The object under a key, as the client keeps it for us.
#[inline]
pub(super) fn find_key<H: Handle>(key: u64) -> Option<Arc<H::Object>> {
    H::slab().with(key, |object| object.clone())
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

#[cfg(test)]
mod tests {
    use std::ptr;

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
