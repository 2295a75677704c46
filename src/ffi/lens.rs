//! Lenses on received data, and the views of events and details that they look at.
//!
//! A view has a slot, which says where the notices are as long as they are shown, and has a tree
//! of what has been found in them so far. The slot has keys for its events, which are their tokens,
//! and then for the nodes of the tree, of which lenses are made. No other event or node ever has
//! the same, so that a stale one finds nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr;

use bytes::Bytes;

use crate::client::{Notice, NoticeKind};
use crate::codec::value::Documents;
use crate::codec::{Dict, DictWriter, Encoding, Tree};
use crate::protocol::EventKind;

use super::slab::Slab;
use super::tag::{IS_NARROW, Tag};
use super::types::*;

/// Slots for sixteen million views, which have 2^36 keys each in the course of time: they are
/// numbered through all views that a slot ever has, so that no stale one ever fits a later view.
///
/// If pointers have 32 bits: two thousand views, of half a million keys at least.
type Views = Slab<Box<Slot>, { BITS.0 }, { BITS.1 }, MOST_KEYS>;

const BITS: (u32, u32) = if IS_NARROW { (11, 20) } else { (24, 36) };
const MOST_KEYS: u64 = if IS_NARROW { 1 << 19 } else { u32::MAX as u64 };

static VIEWS: Views = Slab::new();

struct Slot {
    shown: Shown,
    /// The number of events that are shown.
    events: u32,
    tree: Tree,
    /// The room of the tree while the slot waits for another view.
    room: usize,
}

/// The data behind a view.
pub(super) enum Shown {
    /// Events, and their details as they are told, where somebody has looked.
    Events { notices: *const [Notice], details: BTreeMap<u32, Vec<u8>> },
    /// Details alone, in JSON.
    Details(Bytes),
}

// SAFETY: the notices may be read on any thread; they are only read under the slot's lock, and the
// slot is emptied before they end (see View::events).
unsafe impl Send for Shown {}

/// The part of an event that is shown.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Which {
    Args,
    Kwargs,
    Details,
}

impl Which {
    /// The number of parts, rounded up.
    const COUNT: u32 = 4;

    /// The number of an event's part among the documents of a tree.
    fn of(self, event: u32) -> u32 {
        event * Which::COUNT + self as u32
    }
}

/// Something that is shown for as long as this lives.
pub(super) struct View(u64);

impl View {
    /// Shows `notice`, which must not move or end before the view is dropped.
    #[inline]
    pub(super) fn event(notice: &Notice) -> View {
        View::events(std::slice::from_ref(notice))
    }

    /// Shows `notices`, which must not move or end before the view is dropped.
    #[inline]
    pub(super) fn events(notices: &[Notice]) -> View {
        View::new(Shown::Events { notices, details: BTreeMap::new() }, notices.len() as u32)
    }

    /// Shows details that belong to no event.
    pub(super) fn details(details: Bytes) -> View {
        View::new(Shown::Details(details), 1)
    }

    fn new(shown: Shown, events: u32) -> View {
        let token = Leased::take().and_then(|(slot, mut kept)| {
            (kept.shown, kept.events) = (shown, events);
            VIEWS.fill(slot, kept)
        });
        View(token.unwrap_or(0))
    }

    /// The token, which leads to what is shown, of several events to the first; 0 if there was no
    /// room.
    #[inline]
    pub(super) fn token(&self) -> u64 {
        self.0
    }

    /// The token of one of several events.
    #[inline]
    pub(super) fn token_of(&self, event: usize) -> u64 {
        if self.0 == 0 { 0 } else { Views::nth_key(self.0, event as u64) }
    }
}

impl Drop for View {
    #[inline]
    fn drop(&mut self) {
        if let Some((Some(slot), kept)) = VIEWS.empty_of(self.0, |slot| slot.keys()) {
            Leased::keep(slot, kept);
        }
    }
}

impl Slot {
    /// The number of its keys.
    fn keys(&self) -> u64 {
        u64::from(self.events) + u64::from(self.tree.nodes())
    }
}

/// Shows `look` the slot behind a token, and the number of the event that it is for.
#[inline]
fn with_event<R>(token: u64, look: impl FnOnce(&mut Slot, u32) -> Option<R>) -> Option<R> {
    let look = |slot: &mut Box<Slot>, which| {
        if which >= u64::from(slot.events) {
            return None;
        }
        look(slot, which as u32)
    };
    VIEWS.with_any(token, look).flatten()
}

/// True if a token leads to something that is shown.
pub(super) fn is_shown(token: u64) -> bool {
    with_event(token, |_, _| Some(())).is_some()
}

/// The notice behind a token, copied; `None` if it shows none any more.
pub(super) fn notice_of(token: u64) -> Option<Notice> {
    with_event(token, |slot, event| slot.shown.notice(event).map(Notice::copy))
}

/// The lens on a part of what a token leads to; `None` if there is no such part.
#[inline]
pub(super) fn lens_of(token: u64, which: Which) -> Option<*const wamp_value_t> {
    let root = |slot: &mut Slot, event| {
        let Slot { shown, tree, events, .. } = slot;
        if let Which::Details = which {
            shown.note_details(event);
        }
        let root = tree.root(shown, which.of(event))?;
        Some(u64::from(*events - event) + u64::from(root))
    };
    let steps = with_event(token, root)?;
    Some(Tag::Value.handle::<wamp_value_t>(Views::nth_key(token, steps)))
}

/// Shows `look` the node behind a lens, with its tree, what that shows, and the node's number.
#[inline]
pub(super) fn with_node<R>(
    lens: *const wamp_value_t,
    look: impl FnOnce(&mut Tree, &Shown, u32) -> Option<R>,
) -> Option<R> {
    let look = |slot: &mut Box<Slot>, which: u64| {
        let Slot { shown, tree, events, .. } = &mut **slot;
        let index = which.checked_sub(u64::from(*events))?;
        if index >= u64::from(tree.nodes()) {
            return None;
        }
        let index = index as u32;
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

impl Shown {
    #[inline]
    fn notice(&self, event: u32) -> Option<&Notice> {
        match self {
            // SAFETY: the notices live as long as this slot is filled, and the slot is locked.
            Shown::Events { notices, .. } => unsafe { &**notices }.get(event as usize),
            Shown::Details(_) => None,
        }
    }

    /// Brings the details of an event into the form in which they are told.
    fn note_details(&mut self, event: u32) {
        // Lenses may be on what is there.
        if matches!(self, Shown::Events { details, .. } if details.contains_key(&event)) {
            return;
        }
        let told = self.notice(event).and_then(told_details);
        if let (Shown::Events { details, .. }, Some(told)) = (self, told) {
            details.insert(event, told);
        }
    }
}

impl Documents for Shown {
    #[inline]
    fn document(&self, which: u32) -> Option<(Encoding, &[u8])> {
        const ARGS: u32 = Which::Args as u32;
        const KWARGS: u32 = Which::Kwargs as u32;
        let (event, part) = (which / Which::COUNT, which % Which::COUNT);
        match (self, part) {
            (Shown::Events { .. }, ARGS | KWARGS) => {
                let payload = &self.notice(event)?.event.payload;
                let bytes = if part == ARGS { payload.args() } else { payload.kwargs() };
                Some((payload.encoding(), bytes?))
            }
            (Shown::Events { details, .. }, _) => Some((Encoding::Json, details.get(&event)?)),
            (Shown::Details(_), ARGS | KWARGS) => None,
            (Shown::Details(details), _) => Some((Encoding::Json, details)),
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
    /// The bytes of room that a tree keeps of each kind, and those of all that a thread has.
    const KEPT: usize = 80 * 1024;
    const ALL_KEPT: usize = 1024 * 1024;

    fn take() -> Option<(u32, Box<Slot>)> {
        let own = LEASED.try_with(|leased| {
            let mut leased = leased.borrow_mut();
            let (index, slot) = leased.slots.pop()?;
            leased.room -= slot.room;
            Some((index, slot))
        });
        own.ok().flatten().or_else(|| {
            let shown = Shown::Details(Bytes::new());
            Some((
                VIEWS.lease()?,
                Box::new(Slot { shown, events: 0, tree: Tree::default(), room: 0 }),
            ))
        })
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
