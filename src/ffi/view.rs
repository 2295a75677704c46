//! Views of notices: the struct that C sees, as long as it is seen, and the messages that outlive
//! it.
//!
//! The struct points into a [`Notice`]. Its token leads to the notice's [`View`], as long as it is
//! lent: so a stale one finds nothing.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use crate::client::{Failure, Notice, NoticeKind, Receiver, Status};
use crate::protocol::{Event, EventKind, INVOCATION_ID};

use super::args;
use super::event_handles::EventHandles;
use super::guard::plain;
use super::handles;
use super::lens::{self, View, Which};
use super::objects::Message;
use super::types::*;

/// The struct that C sees.
#[inline]
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
        connection: match notice.connection {
            0 => ptr::null_mut(),
            key => handles::from_key(key),
        },
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
        NoticeKind::Authenticate => WAMP_AUTHENTICATE,
        NoticeKind::Authorize => WAMP_AUTHORIZE,
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
        WAMP_AUTHENTICATE => "AUTHENTICATE",
        WAMP_AUTHORIZE => "AUTHORIZE",
        _ => "event",
    }
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
        lens::notice_of(self.required()?).ok_or_else(stale)
    }

    /// Checks that the event shows something.
    pub(super) fn check(self) -> Result<(), Failure> {
        if lens::is_shown(self.required()?) { Ok(()) } else { Err(stale()) }
    }

    fn required(self) -> Result<u64, Failure> {
        self.token().ok_or_else(|| Failure::new(Status::Argument, "`event` is NULL"))
    }

    /// The lens on a part of the event; NULL if there is none.
    pub(super) fn lens(self, which: Which) -> *const wamp_value_t {
        plain(ptr::null(), || lens::lens_of(self.token()?, which))
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

    /// The question that it lends; NULL if there is none.
    pub(super) fn question(self) -> *mut wamp_question_t {
        if self.event.is_null() {
            return ptr::null_mut();
        }
        // SAFETY: as above.
        let (kind, id) = unsafe { ((*self.event).kind, (*self.event).id) };
        match kind {
            WAMP_AUTHENTICATE | WAMP_AUTHORIZE => handles::from_key(id as u64),
            _ => ptr::null_mut(),
        }
    }

    fn token(self) -> Option<u64> {
        // SAFETY: as above.
        (!self.event.is_null()).then(|| unsafe { (*self.event).token })
    }
}

fn stale() -> Failure {
    Failure::new(Status::Argument, "the event is no longer valid: keep it in its callback")
}

// ===== messages =====

/// A notice that is kept as a message.
struct KeptEvent {
    // Dropped in this order: nobody sees the notice any more when it ends.
    view: View,
    notice: Box<Notice>,
    /// Remembered, not kept alive.
    user_data: *mut c_void,
}

// SAFETY: `user_data` is never dereferenced.
unsafe impl Send for KeptEvent {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for KeptEvent {}

impl KeptEvent {
    fn new(notice: Notice, user_data: *mut c_void) -> KeptEvent {
        let notice = Box::new(notice);
        KeptEvent { view: View::event(&notice), notice, user_data }
    }

    fn event(&self) -> wamp_event_t {
        to_c_event(&self.notice, &EventHandles::NONE, self.view.token(), self.user_data)
    }
}

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
    let kept = KeptEvent::new(notice, user_data);
    let object: Arc<dyn Message> = Arc::new(MessageObject { event: kept.event(), _kept: kept });
    handles::insert(object).ok_or_else(|| Status::Internal.into())
}
