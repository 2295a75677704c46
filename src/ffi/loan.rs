//! Handles that an event lends: for the callback, or as long as the host retains them. What nobody
//! has a reference to any more, unanswered, answers itself.

use std::ptr;
use std::sync::{Arc, Mutex};

use crate::client::{Failure, Status, lock};

use super::slab::Slab;
use super::types::Tag;

/// What a handle of this kind leads to.
pub(super) trait Loan: Sized + Send + Sync + 'static {
    /// The kind of its handles.
    const TAG: Tag;

    /// Where they lead.
    fn slab() -> &'static Slab<Arc<Lendable<Self>>>;

    /// Nobody has a reference any more.
    fn forgotten(&self);
}

/// An object with its references.
pub(super) struct Lendable<T> {
    pub(super) what: T,
    pub(super) refs: Refs,
}

/// The references to a lent object: those of the host, and the loan. It ends once, with the last.
pub(super) struct Refs(Mutex<(usize, bool)>);

impl Refs {
    /// A loan alone.
    pub(super) const fn lent() -> Refs {
        Refs(Mutex::new((0, true)))
    }

    /// One more of the host; false if all have ended.
    pub(super) fn retain(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        let alive = *retained > 0 || *lent;
        *retained += usize::from(alive);
        alive
    }

    /// One less of the host. `Some(true)`: it was the last of all; `None`: there was none.
    pub(super) fn release(&self) -> Option<bool> {
        let (retained, lent) = &mut *lock(&self.0);
        *retained = retained.checked_sub(1)?;
        Some(*retained == 0 && !*lent)
    }

    /// Lends what the host has retained once more; false if all have ended.
    pub(super) fn lend_again(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        let alive = *retained > 0 || *lent;
        *lent = alive;
        alive
    }

    /// The loan ends. True if it was the last of all.
    pub(super) fn end_loan(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        std::mem::take(lent) && *retained == 0
    }
}

/// A handle, lent until [`end_loan`]. NULL if there can be no more; then it answers itself.
pub(super) fn lend<T: Loan, H>(what: T) -> *mut H {
    let object = Arc::new(Lendable { what, refs: Refs::lent() });
    match T::slab().insert(object.clone()) {
        Some(key) => T::TAG.handle(key),
        None => {
            object.what.forgotten();
            ptr::null_mut()
        }
    }
}

/// What a handle leads to.
pub(super) fn object<T: Loan, H>(handle: *mut H) -> Result<Arc<Lendable<T>>, Failure> {
    let key = T::TAG.key(handle).ok_or(Status::Handle)?;
    T::slab().with(key, Arc::clone).ok_or_else(|| Status::Handle.into())
}

/// One more reference of the host.
pub(super) fn retain<T: Loan, H>(handle: *mut H) -> Result<Arc<Lendable<T>>, Failure> {
    let object = object::<T, H>(handle)?;
    match object.refs.retain() {
        true => Ok(object),
        false => Err(Status::Handle.into()),
    }
}

/// One reference of the host less.
pub(super) fn release<T: Loan, H>(handle: *mut H) -> Result<(), Failure> {
    let object = object::<T, H>(handle)?;
    if object.refs.release().ok_or(Status::Handle)? {
        remove::<T, H>(handle);
        object.what.forgotten();
    }
    Ok(())
}

/// The callback or poll that a handle was lent to is over.
pub(super) fn end_loan<T: Loan, H>(handle: *mut H) {
    if let Ok(object) = object::<T, H>(handle)
        && object.refs.end_loan()
    {
        remove::<T, H>(handle);
        object.what.forgotten();
    }
}

/// The handle leads nowhere from now on.
pub(super) fn remove<T: Loan, H>(handle: *mut H) {
    if let Some(key) = T::TAG.key(handle) {
        drop(T::slab().remove(key));
    }
}
