//! Views of notices: the struct that C sees, as long as it is seen, and the messages that outlive
//! it.
//!
//! The struct points into a [`Notice`]. Its token leads to a slot that says where the notice is, as
//! long as it is lent: so a stale view finds nothing.

use std::cell::{OnceCell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use crate::client::{Failure, Notice, NoticeKind, Receiver, Status};
use crate::codec::{Dict, DictWriter, Encoding, Tree};
use crate::protocol::{Event, EventKind, INVOCATION_ID};

use super::args;
use super::event_handles::EventHandles;
use super::guard::plain;
use super::handles::{self, OpenTree, VIEWS, ViewSlot};
use super::objects::Message;
use super::types::*;

/// A token that leads to a notice for as long as this lives; the notice must live at least as long.
pub(super) struct EventView(u64);

impl EventView {
    /// Shows `notice`, which must not move or end before the view is dropped.
    pub(super) fn new(notice: &Notice) -> EventView {
        let lens = OnceCell::new;
        let shown = ViewSlot { notice, args: lens(), kwargs: lens(), details: lens() };
        let token = Leased::take().and_then(|slot| VIEWS.fill(slot, shown));
        EventView(token.unwrap_or(0))
    }

    /// The token.
    pub(super) fn token(&self) -> u64 {
        self.0
    }
}

impl Drop for EventView {
    fn drop(&mut self) {
        if let Some((slot, shown)) = VIEWS.empty(self.0) {
            drop(shown);
            slot.into_iter().for_each(Leased::keep);
        }
    }
}

/// Slots of [`VIEWS`] that this thread has leased: an event comes and goes without a look at the
/// list that all threads share.
struct Leased(RefCell<Vec<u32>>);

impl Leased {
    const MOST: usize = 512;

    fn take() -> Option<u32> {
        let own = LEASED.try_with(|leased| leased.0.borrow_mut().pop()).ok().flatten();
        own.or_else(|| VIEWS.lease())
    }

    fn keep(slot: u32) {
        let kept = LEASED.try_with(|leased| {
            let mut slots = leased.0.borrow_mut();
            let room = slots.len() < Leased::MOST;
            if room {
                slots.push(slot);
            }
            room
        });
        if !kept.unwrap_or(false) {
            VIEWS.give_back(slot);
        }
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.0.borrow_mut().drain(..).for_each(|slot| VIEWS.give_back(slot));
    }
}

thread_local! {
    static LEASED: Leased = const { Leased(RefCell::new(Vec::new())) };
}

/// A notice that is shown beyond a callback: polled, or kept as a message.
pub(super) struct KeptEvent {
    // Dropped in this order: nobody sees the notice any more when it ends.
    view: EventView,
    handles: Option<EventHandles>,
    notice: Box<Notice>,
    user_data: *mut c_void,
}

// SAFETY: `handles` are handles, which are numbers, and `user_data` is never dereferenced.
unsafe impl Send for KeptEvent {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for KeptEvent {}

impl KeptEvent {
    /// Shows a notice until the next poll.
    pub(super) fn polled(notice: Notice) -> KeptEvent {
        let notice = Box::new(notice);
        let target = notice.event.target.as_ref().and_then(|receiver| receiver.handler());
        let user_data = target.map_or(0, |target| target.user_data());
        let user_data = ptr::with_exposed_provenance_mut(user_data);
        KeptEvent {
            view: EventView::new(&notice),
            handles: Some(EventHandles::new(&notice)),
            notice,
            user_data,
        }
    }

    /// Keeps a notice as long as the program likes. Its user_data is remembered, not kept alive.
    pub(super) fn kept(notice: Notice, user_data: *mut c_void) -> KeptEvent {
        let notice = Box::new(notice);
        KeptEvent { view: EventView::new(&notice), handles: None, notice, user_data }
    }

    /// The view of it.
    pub(super) fn event(&self) -> wamp_event_t {
        let none = EventHandles::default();
        let handles = self.handles.as_ref().unwrap_or(&none);
        to_c_event(&self.notice, handles, self.view.token(), self.user_data)
    }
}

/// The struct that C sees.
pub(super) fn to_c_event(
    notice: &Notice,
    handles: &EventHandles,
    token: u64,
    user_data: *mut c_void,
) -> wamp_event_t {
    let event = &notice.event;
    let text = |text: &Option<Arc<CStr>>| match text {
        Some(text) => (text.as_ptr(), text.count_bytes()),
        None => (c"".as_ptr(), 0),
    };
    let (uri, uri_size) = text(&event.uri);
    let (message, message_size) = text(&notice.text);
    let (details, details_size) = part(event.details());
    wamp_event_t {
        kind: kind(notice.kind),
        flags: flags(event),
        status: notice.status as i32,
        reserved: 0,
        id: event.id as i64,
        wamp_id: (event.wamp_id & INVOCATION_ID) as i64,
        user_data,
        connection: handles::from_key(notice.connection),
        session: handles.session(),
        invocation: handles.invocation(),
        uri,
        uri_size,
        message,
        message_size,
        details,
        details_size,
        payload: payload(notice),
        token,
        challenge: handles.challenge(),
        attempt: handles.attempt(),
    }
}

fn flags(event: &Event<Receiver>) -> u32 {
    let progress = if event.progress { WAMP_FLAG_PROGRESS } else { 0 };
    let more = if event.more_input { WAMP_FLAG_MORE } else { 0 };
    let continued = if event.continues_input { WAMP_FLAG_CONTINUED } else { 0 };
    progress | more | continued
}

fn payload(notice: &Notice) -> wamp_payload_t {
    let payload = notice.event.payload.as_ref();
    let (args, args_size) = part(payload.args);
    let (kwargs, kwargs_size) = part(payload.kwargs);
    let flags = WAMP_PAYLOAD_RECEIVED;
    let encoding = args::encoding_number(payload.encoding);
    wamp_payload_t { args, args_size, kwargs, kwargs_size, encoding, flags }
}

fn part(bytes: Option<&[u8]>) -> (*const c_char, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

pub(super) fn kind(kind: NoticeKind) -> u32 {
    match kind {
        NoticeKind::Open | NoticeKind::Session(EventKind::Joined) => WAMP_OPEN,
        NoticeKind::Close => WAMP_CLOSE,
        NoticeKind::Writable => WAMP_WRITABLE,
        NoticeKind::Connect => WAMP_CONNECT,
        NoticeKind::Restored => WAMP_RESTORED,
        NoticeKind::Suspended => WAMP_SUSPENDED,
        NoticeKind::UserError => WAMP_USER_ERROR,
        NoticeKind::InternalError => WAMP_INTERNAL_ERROR,
        NoticeKind::Session(EventKind::Challenge) => WAMP_CHALLENGE,
        NoticeKind::Session(EventKind::Interrupt) => WAMP_INTERRUPT,
        NoticeKind::Session(EventKind::Subscribed) => WAMP_SUBSCRIBED,
        NoticeKind::Session(EventKind::Unsubscribed) => WAMP_UNSUBSCRIBED,
        NoticeKind::Session(EventKind::Event) => WAMP_EVENT,
        NoticeKind::Session(EventKind::Published) => WAMP_PUBLISHED,
        NoticeKind::Session(EventKind::Registered) => WAMP_REGISTERED,
        NoticeKind::Session(EventKind::Unregistered) => WAMP_UNREGISTERED,
        NoticeKind::Session(EventKind::Invocation) => WAMP_INVOCATION,
        NoticeKind::Session(EventKind::Result) => WAMP_RESULT,
        NoticeKind::Session(EventKind::Error) => WAMP_ERROR,
        // Never told.
        NoticeKind::Session(EventKind::Released) => 0,
    }
}

/// The name of a kind in wamp.h, without WAMP_.
pub(super) fn kind_name(kind: u32) -> &'static str {
    match kind {
        WAMP_OPEN => "OPEN",
        WAMP_CLOSE => "CLOSE",
        WAMP_WRITABLE => "WRITABLE",
        WAMP_SUBSCRIBED => "SUBSCRIBED",
        WAMP_UNSUBSCRIBED => "UNSUBSCRIBED",
        WAMP_EVENT => "EVENT",
        WAMP_PUBLISHED => "PUBLISHED",
        WAMP_REGISTERED => "REGISTERED",
        WAMP_UNREGISTERED => "UNREGISTERED",
        WAMP_INVOCATION => "INVOCATION",
        WAMP_RESULT => "RESULT",
        WAMP_ERROR => "ERROR",
        WAMP_INTERRUPT => "INTERRUPT",
        WAMP_CHALLENGE => "CHALLENGE",
        WAMP_CONNECT => "CONNECT",
        WAMP_RESTORED => "RESTORED",
        WAMP_SUSPENDED => "SUSPENDED",
        WAMP_USER_ERROR => "USER_ERROR",
        WAMP_INTERNAL_ERROR => "INTERNAL_ERROR",
        _ => "event",
    }
}

impl ViewSlot {
    fn open(&self, which: Which) -> *const wamp_value_t {
        let opened = match which {
            Which::Args => &self.args,
            Which::Kwargs => &self.kwargs,
            Which::Details => &self.details,
        };
        if let Some(opened) = opened.get() {
            return handles::root_of(opened.as_ref());
        }
        let tree = self.parse(which).and_then(OpenTree::new);
        let root = handles::root_of(tree.as_ref());
        let _ = opened.set(tree);
        root
    }

    fn parse(&self, which: Which) -> Option<Tree> {
        // SAFETY: the notice lives as long as this slot is filled, and the slot is locked.
        let notice = unsafe { &*self.notice };
        let payload = notice.event.payload.as_ref();
        let tree = match which {
            Which::Args => Tree::parse(payload.encoding, payload.args?),
            Which::Kwargs => Tree::parse(payload.encoding, payload.kwargs?),
            Which::Details => {
                Tree::parse(Encoding::Json, &with_uri(notice.event.details()?, notice))
            }
        };
        tree.ok()
    }
}

/// The details with the topic or procedure that the router leaves out for exact matches.
fn with_uri(details: &[u8], notice: &Notice) -> Vec<u8> {
    let key = match notice.kind {
        NoticeKind::Session(EventKind::Event) => "topic",
        NoticeKind::Session(EventKind::Invocation) => "procedure",
        _ => return details.to_vec(),
    };
    let dict = Dict::from_checked(details);
    let (Some(uri), None) = (&notice.event.uri, dict.get(key)) else {
        return details.to_vec();
    };
    let mut filled = DictWriter::default();
    filled.text(key, &uri.to_string_lossy()).extend(dict);
    filled.finish().into_bytes()
}

/// A pointer to an event: NULL, or to a wamp_event_t, which may be stale.
#[derive(Clone, Copy)]
pub(super) struct Seen<'c> {
    event: *const wamp_event_t,
    call: PhantomData<&'c wamp_event_t>,
}

impl<'c> Seen<'c> {
    /// # Safety
    /// `event` keeps the rule of this type, for `'c`.
    pub(super) unsafe fn from_c(
        event: *const wamp_event_t,
        _name: &'static str,
        _call: &'c impl Copy,
    ) -> Seen<'c> {
        Seen { event, call: PhantomData }
    }

    /// The notice that the event shows, copied; a failure if it shows nothing any more.
    pub(super) fn notice(self) -> Result<Notice, Failure> {
        let token =
            self.token().ok_or_else(|| Failure::new(Status::Argument, "`event` is NULL"))?;
        // SAFETY: the notice lives as long as this slot is filled, and the slot is locked.
        let copy = |shown: &ViewSlot| unsafe { &*shown.notice }.copy();
        VIEWS.with(token, copy).ok_or_else(|| {
            Failure::new(Status::Argument, "the event is no longer valid: keep it in its callback")
        })
    }

    /// The lens on a part of the event; NULL if there is none.
    pub(super) fn lens(self, which: Which) -> *const wamp_value_t {
        plain(ptr::null(), || VIEWS.with(self.token()?, |shown| shown.open(which)))
    }

    /// The user_data that it has; NULL if it is NULL itself.
    pub(super) fn user_data(self) -> *mut c_void {
        // SAFETY: not NULL, so by the rule of this type an event. (Only its fields are looked at:
        // it may be a copy by a program whose wamp_event_t has fewer of them.)
        if self.event.is_null() { ptr::null_mut() } else { unsafe { (*self.event).user_data } }
    }

    /// The invocation that it lends; NULL if there is none.
    pub(super) fn invocation(self) -> *mut wamp_invocation_t {
        // SAFETY: as above.
        if self.event.is_null() { ptr::null_mut() } else { unsafe { (*self.event).invocation } }
    }

    fn token(self) -> Option<u64> {
        // SAFETY: as above.
        (!self.event.is_null()).then(|| unsafe { (*self.event).token })
    }
}

/// The part of an event that a lens shows.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Args,
    Kwargs,
    Details,
}

// ===== messages =====

/// A kept event, with the view of it.
struct MessageObject {
    event: wamp_event_t,
    _kept: KeptEvent,
}

// SAFETY: the event points into the kept one, which is never changed.
unsafe impl Send for MessageObject {}
// SAFETY: as above.
unsafe impl Sync for MessageObject {}

impl Message for MessageObject {
    fn event(&self) -> &wamp_event_t {
        &self.event
    }
}

/// Makes a message of a notice that is not shown otherwise.
pub(super) fn message(notice: Notice) -> Result<*mut wamp_message_t, Failure> {
    keep(notice, ptr::null_mut())
}

/// Kept messages of up to this size are copied out of the blocks that they were read into.
const DETACHED: usize = 32 * 1024;

/// Makes a message of a notice that is shown with `user_data`.
pub(super) fn keep(
    mut notice: Notice,
    user_data: *mut c_void,
) -> Result<*mut wamp_message_t, Failure> {
    // A message must not delay the freeing of somebody's user_data.
    notice.event.target = None;
    // Nor keep what came together with it.
    notice.event.payload.detach(DETACHED);
    let kept = KeptEvent::kept(notice, user_data);
    let object: Arc<dyn Message> = Arc::new(MessageObject { event: kept.event(), _kept: kept });
    handles::insert(object).ok_or_else(|| Status::Internal.into())
}
