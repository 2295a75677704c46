//! Lenses on received data, and the views of events and details that they look at.
//!
//! A view has a slot, which says where the notice is as long as it is shown, and has a tree of what
//! has been found in it so far. A lens is a handle like all others, made of the slot and a node's
//! number, which no other node of the slot ever has; so a stale one finds nothing. The key of the
//! slot itself is the token of an event.

use std::cell::RefCell;
use std::ptr;

use bytes::Bytes;

use crate::client::{Notice, NoticeKind};
use crate::codec::value::Documents;
use crate::codec::{Dict, DictWriter, Encoding, Tree};
use crate::protocol::EventKind;

use super::slab::Slab;
use super::tag::Tag;
use super::types::*;

/// Slots for sixteen million views, which find 2^36 nodes each in the course of time: a slot's
/// nodes are numbered through all views that it ever has, so that no stale lens ever fits a later
/// one.
type Views = Slab<Box<Slot>, 24, 36, { u32::MAX as u64 }>;

static VIEWS: Views = Slab::new();

struct Slot {
    shown: Shown,
    tree: Tree,
    /// The room of the tree while the slot waits for another view.
    room: usize,
}

/// The data behind a view.
pub(super) enum Shown {
    /// An event, and its details as they are told, once somebody has looked.
    Event { notice: *const Notice, details: Option<Vec<u8>> },
    /// Details alone, in JSON.
    Details(Bytes),
}

// SAFETY: the notice may be read on any thread; it is only read under the slot's lock, and the
// slot is emptied before the notice ends (see View::event).
unsafe impl Send for Shown {}

/// The part of what is shown.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Which {
    Args,
    Kwargs,
    Details,
}

/// Something that is shown for as long as this lives.
pub(super) struct View(u64);

impl View {
    /// Shows `notice`, which must not move or end before the view is dropped.
    #[inline]
    pub(super) fn event(notice: &Notice) -> View {
        View::new(Shown::Event { notice, details: None })
    }

    /// Shows details that belong to no event.
    pub(super) fn details(details: Bytes) -> View {
        View::new(Shown::Details(details))
    }

    fn new(shown: Shown) -> View {
        let token = Leased::take().and_then(|(slot, mut kept)| {
            kept.shown = shown;
            VIEWS.fill(slot, kept)
        });
        View(token.unwrap_or(0))
    }

    /// The token, which leads to what is shown; 0 if there was no room.
    #[inline]
    pub(super) fn token(&self) -> u64 {
        self.0
    }
}

impl Drop for View {
    #[inline]
    fn drop(&mut self) {
        if let Some((Some(slot), kept)) = VIEWS.empty_of(self.0, |slot| slot.tree.nodes().into()) {
            Leased::keep(slot, kept);
        }
    }
}

/// True if a token leads to something that is shown.
pub(super) fn is_shown(token: u64) -> bool {
    VIEWS.with(token, |_| ()).is_some()
}

/// The notice behind a token, copied; `None` if it shows none any more.
pub(super) fn notice_of(token: u64) -> Option<Notice> {
    let copy = |slot: &mut Box<Slot>| match &slot.shown {
        // SAFETY: the notice lives as long as this slot is filled, and the slot is locked.
        Shown::Event { notice, .. } => Some(unsafe { &**notice }.copy()),
        Shown::Details(_) => None,
    };
    VIEWS.with(token, copy).flatten()
}

/// The lens on a part of what a token leads to; `None` if there is no such part.
#[inline]
pub(super) fn lens_of(token: u64, which: Which) -> Option<*const wamp_value_t> {
    let root = |slot: &mut Box<Slot>| {
        let Slot { shown, tree, .. } = &mut **slot;
        if let (Which::Details, Shown::Event { notice, details: details @ None }) =
            (which, &mut *shown)
        {
            // SAFETY: as above.
            *details = told_details(unsafe { &**notice });
        }
        tree.root(shown, which as u8)
    };
    let root = VIEWS.with(token, root)??;
    Some(Tag::Value.handle::<wamp_value_t>(Views::nth_key(token, root.into())))
}

/// Shows `look` the node behind a lens, with its tree, what that shows, and the node's number.
#[inline]
pub(super) fn with_node<R>(
    lens: *const wamp_value_t,
    look: impl FnOnce(&mut Tree, &Shown, u32) -> Option<R>,
) -> Option<R> {
    let look = |slot: &mut Box<Slot>, which| {
        let Slot { shown, tree, .. } = &mut **slot;
        let index = u32::try_from(which).ok().filter(|index| *index < tree.nodes())?;
        look(tree, shown, index)
    };
    VIEWS.with_any(Tag::Value.key(lens)?, look).flatten()
}

/// The lens on the node that is `steps` behind that of another one in the same tree.
#[inline]
pub(super) fn step(lens: *const wamp_value_t, steps: u32) -> Option<*const wamp_value_t> {
    let there = Views::nth_key(Tag::Value.key(lens)?, u64::from(steps));
    Some(Tag::Value.handle::<wamp_value_t>(there))
}

impl Documents for Shown {
    #[inline]
    fn document(&self, which: u8) -> Option<(Encoding, &[u8])> {
        const ARGS: u8 = Which::Args as u8;
        const KWARGS: u8 = Which::Kwargs as u8;
        let (notice, details) = match self {
            Shown::Event { notice, details } => (*notice, details.as_deref()),
            Shown::Details(details) if which > KWARGS => return Some((Encoding::Json, details)),
            Shown::Details(_) => return None,
        };
        // SAFETY: as above.
        let payload = unsafe { &(*notice).event.payload };
        match which {
            ARGS => Some((payload.encoding(), payload.args()?)),
            KWARGS => Some((payload.encoding(), payload.kwargs()?)),
            _ => Some((Encoding::Json, details?)),
        }
    }
}

/// The details with the topic or procedure that the router leaves out for exact matches.
fn told_details(notice: &Notice) -> Option<Vec<u8>> {
    let details = notice.event.details()?;
    let key = match notice.kind {
        NoticeKind::Session(EventKind::Event) => "topic",
        NoticeKind::Session(EventKind::Invocation) => "procedure",
        _ => return Some(details.to_vec()),
    };
    let dict = Dict::from_checked(details);
    let (Some(uri), None) = (&notice.event.uri, dict.get(key)) else {
        return Some(details.to_vec());
    };
    let mut filled = DictWriter::default();
    filled.text(key, &uri.to_string_lossy()).extend(dict);
    Some(filled.finish().into_bytes())
}

// ===== leases =====

/// Slots that this thread has leased, with the room of their former trees: an event comes and goes
/// without a look at the list that all threads share, and without the allocator.
#[derive(Default)]
struct Leased {
    slots: Vec<(u32, Box<Slot>)>,
    /// The room that their trees have for texts, in bytes.
    room: usize,
}

impl Leased {
    const MOST: usize = 512;
    /// The bytes of room that the texts of a tree keep, and those of all that a thread has.
    const KEPT: usize = 80 * 1024;
    const ALL_KEPT: usize = 1024 * 1024;

    fn take() -> Option<(u32, Box<Slot>)> {
        let own = LEASED.try_with(|leased| {
            let mut leased = leased.borrow_mut();
            let (index, slot) = leased.slots.pop()?;
            leased.room -= slot.room;
            Some((index, slot))
        });
        let new = || Slot { shown: Shown::Details(Bytes::new()), tree: Tree::default(), room: 0 };
        own.ok().flatten().or_else(|| Some((VIEWS.lease()?, Box::new(new()))))
    }

    fn keep(index: u32, mut slot: Box<Slot>) {
        slot.shown = Shown::Details(Bytes::new());
        let mut slot = Some(slot);
        let kept = LEASED.try_with(|leased| {
            let mut leased = leased.borrow_mut();
            if leased.slots.len() < Leased::MOST
                && let Some(mut slot) = slot.take()
            {
                let full = leased.room > Leased::ALL_KEPT;
                slot.tree.clear(if full { 0 } else { Leased::KEPT });
                slot.room = slot.tree.room();
                leased.room += slot.room;
                leased.slots.push((index, slot));
            }
        });
        if kept.is_err() || slot.is_some() {
            VIEWS.give_back(index);
        }
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.slots.drain(..).for_each(|(index, _)| VIEWS.give_back(index));
    }
}

thread_local! {
    static LEASED: RefCell<Leased> = RefCell::default();
}

/// The lens on a view's own part; NULL if there is none.
pub(super) fn lens(view: Option<&View>, which: Which) -> *const wamp_value_t {
    view.and_then(|view| lens_of(view.token(), which)).unwrap_or(ptr::null())
}
