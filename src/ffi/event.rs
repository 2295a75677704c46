//! Views of events, and messages that outlive them.
//!
//! The struct that C sees points into a [`Notice`]. Its token leads to a slot that says where the
//! notice is, as long as it is lent: so a stale view finds nothing.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use crate::client::{Failure, Notice, NoticeKind, Receiver, Status};
use crate::codec::{Dict, DictWriter, Encoding, PayloadRef, Tree};
use crate::protocol::{Event, EventKind, INVOCATION_ID};

use super::args;
use super::connection::CONNECTIONS;
use super::guard::{guard, plain};
use super::invocation;
use super::lent::Lent;
use super::slab::Slab;
use super::types::*;
use super::value;

/// Where the notice of a token is.
struct Shown {
    notice: *const Notice,
    args: Cell<Lens>,
    kwargs: Cell<Lens>,
    details: Cell<Lens>,
}

#[derive(Clone, Copy)]
enum Lens {
    Unopened,
    Root(*const wamp_value_t),
}

// SAFETY: the notice may be read on any thread; it is only read under the slot's lock, and the
// slot is emptied before the notice ends (see View).
unsafe impl Send for Shown {}

impl Drop for Shown {
    fn drop(&mut self) {
        for lens in [&self.args, &self.kwargs, &self.details] {
            if let Lens::Root(root) = lens.get() {
                value::close(root);
            }
        }
    }
}

static VIEWS: Slab<Shown> = Slab::new();

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

/// As long as it lives, its token leads to the notice, which must live at least as long.
pub struct View(u64);

impl View {
    /// Shows `notice`, which must not move or end before the view is dropped.
    pub fn new(notice: &Notice) -> View {
        let lens = || Cell::new(Lens::Unopened);
        let shown = Shown { notice, args: lens(), kwargs: lens(), details: lens() };
        let token = Leased::take().and_then(|slot| VIEWS.fill(slot, shown));
        View(token.unwrap_or(0))
    }

    /// What leads to the notice.
    pub fn token(&self) -> u64 {
        self.0
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some((slot, shown)) = VIEWS.empty(self.0) {
            drop(shown);
            slot.into_iter().for_each(Leased::keep);
        }
    }
}

/// A notice that is shown beyond a callback: polled, or kept as a message.
pub struct Held {
    // Dropped in this order: nobody sees the notice any more when it ends.
    view: View,
    lent: Option<Lent>,
    notice: Box<Notice>,
    user_data: *mut c_void,
}

// SAFETY: `lent` holds handles, which are numbers, and `user_data` is never dereferenced.
unsafe impl Send for Held {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Held {}

impl Held {
    /// Shows a notice until the next poll.
    pub fn polled(notice: Notice) -> Held {
        let notice = Box::new(notice);
        let target = notice.event.target.as_ref().and_then(|receiver| receiver.app());
        let user_data = target.map_or(0, |target| target.user_data());
        let user_data = ptr::with_exposed_provenance_mut(user_data);
        Held { view: View::new(&notice), lent: Some(Lent::new(&notice)), notice, user_data }
    }

    /// Keeps a notice as long as the program likes. Its user_data is remembered, not kept alive.
    pub fn kept(notice: Notice, user_data: *mut c_void) -> Held {
        let notice = Box::new(notice);
        Held { view: View::new(&notice), lent: None, notice, user_data }
    }

    /// The view of it.
    pub fn event(&self) -> wamp_event_t {
        let unlent = Lent::default();
        let lent = self.lent.as_ref().unwrap_or(&unlent);
        describe(&self.notice, lent, self.view.token(), self.user_data)
    }
}

/// The struct that C sees.
pub fn describe(notice: &Notice, lent: &Lent, token: u64, user_data: *mut c_void) -> wamp_event_t {
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
        connection: Tag::Connection.handle(notice.connection),
        session: lent.session(),
        invocation: lent.invocation(),
        uri,
        uri_size,
        message,
        message_size,
        details,
        details_size,
        payload: payload(notice),
        token,
        challenge: lent.challenge(),
        attempt: lent.attempt(),
    }
}

fn flags(event: &Event<Receiver>) -> u32 {
    let progress = if event.progress { WAMP_FLAG_PROGRESS } else { 0 };
    let more = if event.more { WAMP_FLAG_MORE } else { 0 };
    let continued = if event.again { WAMP_FLAG_CONTINUED } else { 0 };
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
        NoticeKind::Session(EventKind::Gone) => 0,
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

impl Shown {
    fn open(&self, which: Which) -> *const wamp_value_t {
        let lens = match which {
            Which::Args => &self.args,
            Which::Kwargs => &self.kwargs,
            Which::Details => &self.details,
        };
        if let Lens::Root(root) = lens.get() {
            return root;
        }
        // SAFETY: the notice lives as long as this slot is filled, and the slot is locked.
        let notice = unsafe { &*self.notice };
        let payload = notice.event.payload.as_ref();
        let tree = match which {
            Which::Args => payload.args.map(|args| Tree::parse(payload.encoding, args)),
            Which::Kwargs => payload.kwargs.map(|kwargs| Tree::parse(payload.encoding, kwargs)),
            Which::Details => {
                let details = notice.event.details();
                details.map(|details| Tree::parse(Encoding::Json, &with_uri(details, notice)))
            }
        };
        let root = match tree {
            Some(Ok(tree)) => value::open(tree),
            _ => ptr::null(),
        };
        lens.set(Lens::Root(root));
        root
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

/// What an event shows, copied; a failure if it shows nothing any more.
///
/// # Safety
/// `event` is NULL or points to a wamp_event_t, which may be stale.
pub(super) unsafe fn shown(event: *const wamp_event_t) -> Result<Notice, Failure> {
    if event.is_null() {
        return Err(Failure::new(Status::Argument, "`event` is NULL"));
    }
    // SAFETY: not NULL, and the caller's promise.
    let token = unsafe { (*event).token };
    // SAFETY: the notice lives as long as this slot is filled, and the slot is locked.
    let copy = |shown: &Shown| unsafe { &*shown.notice }.copy();
    VIEWS.with(token, copy).ok_or_else(|| {
        Failure::new(Status::Argument, "the event is no longer valid: keep it in its callback")
    })
}

/// What of an event a lens shows.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Args,
    Kwargs,
    Details,
}

/// # Safety
/// `event` is NULL or points to a wamp_event_t.
pub(super) unsafe fn lens(event: *const wamp_event_t, which: Which) -> *const wamp_value_t {
    plain(ptr::null(), || {
        if event.is_null() {
            return None;
        }
        // SAFETY: not NULL, and the caller's promise.
        let token = unsafe { (*event).token };
        VIEWS.with(token, |shown| shown.open(which))
    })
}

// ===== messages =====

pub(super) static MESSAGES: Slab<Arc<MessageObject>> = Slab::new();

/// A kept event.
pub(super) struct MessageObject {
    event: wamp_event_t,
    _held: Held,
}

// SAFETY: the event points into `held`, which is never changed.
unsafe impl Send for MessageObject {}
// SAFETY: as above.
unsafe impl Sync for MessageObject {}

/// Makes a message of a notice that is not shown otherwise.
pub(super) fn message(notice: Notice) -> Result<*mut wamp_message_t, Failure> {
    keep(notice, ptr::null_mut())
}

/// Kept messages of up to this size are copied out of the blocks that they were read into.
const DETACHED: usize = 32 * 1024;

fn keep(mut notice: Notice, user_data: *mut c_void) -> Result<*mut wamp_message_t, Failure> {
    // A message must not delay the freeing of somebody's user_data.
    notice.event.target = None;
    // Nor keep what came together with it.
    notice.event.payload.detach(DETACHED);
    let held = Held::kept(notice, user_data);
    let object = Arc::new(MessageObject { event: held.event(), _held: held });
    let key = MESSAGES.insert(object).ok_or(Status::Internal)?;
    Ok(Tag::Message.handle(key))
}

/// The args of an event as a lens on a list.
///
/// Returns NULL where there are none, or where they cannot be parsed. The lens lives as long as the
/// view or message; the functions on values take NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_args(event: *const wamp_event_t) -> *const wamp_value_t {
    // SAFETY: the caller's promise.
    unsafe { lens(event, Which::Args) }
}

/// The kwargs of an event as a lens on a dict; see wamp_event_args().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_kwargs(event: *const wamp_event_t) -> *const wamp_value_t {
    // SAFETY: the caller's promise.
    unsafe { lens(event, Which::Kwargs) }
}

/// The details of an event as a lens on a dict: all that the router sent, and of an EVENT always
/// `topic`, of an INVOCATION always `procedure`. See wamp_event_args().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_details(event: *const wamp_event_t) -> *const wamp_value_t {
    // SAFETY: the caller's promise.
    unsafe { lens(event, Which::Details) }
}

/// Keeps an event beyond its callback or poll.
///
/// Returns a message, to be freed by wamp_message_free(); NULL if `event` is NULL or no longer
/// valid. Nothing is copied but the view. The kept view lends no session and no invocation: retain
/// those by themselves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_keep(event: *const wamp_event_t) -> *mut wamp_message_t {
    guard(|| {
        // SAFETY: the caller's promise.
        let notice = unsafe { shown(event) }?;
        // SAFETY: it shows something, so it is not NULL.
        let user_data = unsafe { (*event).user_data };
        keep(notice, user_data)
    })
}

/// Tells the library that the program's handling of an event has failed; for handlers, and for
/// bindings in whose language they can throw.
///
/// on_user_error hears WAMP_USER_ERROR with `message` (may be NULL), or it is written to the log. An
/// invocation without an answer is answered with `wamp.error.runtime_error` and `message`. Returns
/// WAMP_OK, or WAMP_ERR_ARGUMENT (NULL, or no longer valid), WAMP_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_event_failed(
    event: *const wamp_event_t,
    message: *const c_char,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let notice = unsafe { shown(event) }?;
        // SAFETY: the caller's promise.
        let message =
            unsafe { args::optional_text(message, "message") }?.unwrap_or("a handler failed");
        if let (NoticeKind::Session(EventKind::Invocation), Some(session)) =
            (notice.kind, &notice.session)
        {
            let mut text = b"[".to_vec();
            crate::codec::json::text::write_string(&mut text, message);
            text.push(b']');
            let payload = PayloadRef { args: Some(&text), ..PayloadRef::NONE };
            // SAFETY: as above.
            let lent = unsafe { (*event).invocation };
            // Refused if there was an answer: then that holds.
            let _ = invocation::fail(lent, session, notice.event.wamp_id, payload);
        }
        if let Some(connection) = CONNECTIONS.with(notice.connection, Arc::clone) {
            connection.client.report(&notice, message);
        }
        Ok(0)
    })
}

/// Frees a message. Its view and the lenses taken from it end. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_message_free(message: *mut wamp_message_t) -> c_int {
    guard(|| {
        let key = Tag::Message.key(message).ok_or(Status::Handle)?;
        MESSAGES.remove(key).map(|_| 0).ok_or_else(|| Status::Handle.into())
    })
}

/// The view of a message; valid until the message is freed. NULL if it is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_message_event(message: *mut wamp_message_t) -> *const wamp_event_t {
    guard(|| {
        let key = Tag::Message.key(message).ok_or(Status::Handle)?;
        let view = MESSAGES.with(key, |object| ptr::from_ref(&object.event));
        view.ok_or_else(|| Status::Handle.into())
    })
}
