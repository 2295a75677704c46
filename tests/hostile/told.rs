//! What callbacks hear: copied, counted, and kept in the order in which it came.
//!
//! The callbacks look at every event with every getter of the library.

use std::ffi::{CStr, c_char, c_void};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use wamp::ffi::event::{wamp_event_args, wamp_event_details, wamp_event_kwargs};
use wamp::ffi::invocation::wamp_invocation_yield;
use wamp::ffi::types::*;
use wamp::ffi::value::*;

/// One event, copied.
#[derive(Debug, Clone)]
pub struct Told {
    /// Whose callback heard it.
    pub ticket: usize,
    pub kind: u32,
    pub flags: u32,
    pub status: i32,
    pub wamp_id: i64,
    pub uri: String,
    pub message: String,
    pub details: String,
    pub args: String,
    pub kwargs: String,
    /// How many entries the lens on the args shows; `None`: no lens.
    pub lens: Option<usize>,
}

impl Told {
    /// The details, of a CLOSE above all.
    pub fn reason(&self) -> Value {
        serde_json::from_str(&self.details).expect("details are JSON")
    }

    /// True for the CLOSE after which no attempt is made.
    pub fn is_last(&self) -> bool {
        self.kind == WAMP_CLOSE && self.reason()["will_retry"] == false
    }

    /// True if nothing follows for the request that it is about.
    pub fn is_outcome(&self) -> bool {
        match self.kind {
            WAMP_RESULT => self.flags & WAMP_FLAG_PROGRESS == 0,
            kind => [WAMP_ERROR, WAMP_PUBLISHED, WAMP_SUBSCRIBED, WAMP_REGISTERED].contains(&kind),
        }
    }
}

/// All that a connection was told.
#[derive(Default)]
pub struct Inbox {
    told: Mutex<Vec<Told>>,
    /// Something was told or freed.
    pub changed: Condvar,
}

impl Inbox {
    /// Also when a test has failed while it looked.
    pub fn told(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What callbacks get as their `user_data`.
pub struct Ticket {
    pub number: usize,
    /// A request, which wants an outcome.
    pub request: bool,
    pub inbox: Arc<Inbox>,
    /// How often it was freed.
    pub freed: AtomicUsize,
}

/// Hears everything, and answers invocations with their own arguments.
pub unsafe extern "C" fn heard(event: *const wamp_event_t, user_data: *mut c_void) {
    // SAFETY: the library lends the event, and tickets live until they were freed.
    let (told, ticket) = unsafe {
        let ticket = &*user_data.cast_const().cast::<Ticket>();
        if (*event).kind == WAMP_INVOCATION {
            wamp_invocation_yield((*event).invocation, &(*event).payload);
        }
        (copy(event, ticket.number), ticket)
    };
    assert_eq!(ticket.freed.load(Ordering::SeqCst), 0, "told after freed");
    ticket.inbox.told().push(told);
    ticket.inbox.changed.notify_all();
}

/// Frees a ticket, as far as the library is concerned.
pub unsafe extern "C" fn freed(user_data: *mut c_void) {
    // SAFETY: tickets live until they were freed, and longer.
    let ticket = unsafe { &*user_data.cast_const().cast::<Ticket>() };
    let inbox = ticket.inbox.clone();
    let _held = inbox.told();
    ticket.freed.fetch_add(1, Ordering::SeqCst);
    inbox.changed.notify_all();
}

/// # Safety
/// `event` is lent by the library.
unsafe fn copy(event: *const wamp_event_t, ticket: usize) -> Told {
    // SAFETY: what a lent event points to lives as long as it does.
    unsafe {
        let args = wamp_event_args(event);
        walk(args, 0);
        walk(wamp_event_kwargs(event), 0);
        walk(wamp_event_details(event), 0);
        let event = &*event;
        Told {
            ticket,
            kind: event.kind,
            flags: event.flags,
            status: event.status,
            wamp_id: event.wamp_id,
            uri: text(event.uri),
            message: text(event.message),
            details: bytes(event.details, event.details_size),
            args: bytes(event.payload.args, event.payload.args_size),
            kwargs: bytes(event.payload.kwargs, event.payload.kwargs_size),
            lens: (!args.is_null()).then(|| wamp_value_size(args)),
        }
    }
}

/// Looks at everything with every getter: whatever it is, there is an answer.
///
/// # Safety
/// `value` is lent by the library, or NULL.
unsafe fn walk(value: *const wamp_value_t, depth: usize) {
    if depth > 200 {
        return;
    }
    // SAFETY: lenses live as long as their event.
    unsafe {
        let mut size = 0;
        wamp_value_type(value);
        wamp_value_bool(value);
        wamp_value_int(value);
        wamp_value_uint(value);
        wamp_value_double(value);
        let text = wamp_value_string(value, &mut size);
        assert!(!text.is_null() || size == 0);
        wamp_value_binary(value, &mut size);
        for index in 0..wamp_value_size(value).min(100) {
            wamp_value_key(value, index, &mut size);
            walk(wamp_value_at(value, index), depth + 1);
        }
    }
}

/// # Safety
/// `text` is NUL-terminated.
pub unsafe fn text(text: *const c_char) -> String {
    assert!(!text.is_null(), "a text that is never NULL");
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().expect("UTF-8").to_owned()
}

/// # Safety
/// `size` bytes are at `start`, which may be NULL.
unsafe fn bytes(start: *const c_char, size: usize) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice::from_raw_parts(start.cast(), size) };
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
