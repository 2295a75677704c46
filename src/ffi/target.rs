//! C callbacks and their user_data, as the client knows them.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::delivery::Wakeup;
use crate::client::{EventHandler, Notice, NoticeKind};
use crate::log::{Level, Sink};
use crate::protocol::EventKind;

use super::event_handles::EventHandles;
use super::lens::View;
use super::types::{wamp_callback_t, wamp_free_t, wamp_log_t, wamp_wakeup_t};
use super::view;

/// A `user_data` with its free function, which is called exactly once: when this is dropped.
pub(super) struct UserData {
    pointer: *mut c_void,
    free: wamp_free_t,
}

// SAFETY: the pointer is never dereferenced here; that user_data may be used and freed on other
// threads is what the header tells whoever gives it.
unsafe impl Send for UserData {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for UserData {}

impl UserData {
    /// Takes charge of a user_data.
    pub(super) fn new(pointer: *mut c_void, free: wamp_free_t) -> UserData {
        UserData { pointer, free }
    }

    /// The pointer.
    pub(super) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the host gave this function for this pointer; it runs once, as this is
            // dropped once.
            unsafe { free(self.pointer) };
        }
    }
}

/// The callbacks of one request, subscription or registration, or of one place of a connection.
pub(super) struct CTarget {
    /// Hears EVENT, INVOCATION, and what a connection's place is for.
    pub handler: wamp_callback_t,
    /// Hears the outcome of the request.
    pub done: wamp_callback_t,
    /// The user_data that they get.
    pub user_data: UserData,
    /// It is for WAMP_INTERRUPT alone.
    watches: bool,
    ended: AtomicBool,
    silent: AtomicBool,
}

impl CTarget {
    /// Callbacks and whose they are.
    pub(super) fn new(
        handler: wamp_callback_t,
        done: wamp_callback_t,
        user_data: UserData,
    ) -> CTarget {
        let [ended, silent] = [AtomicBool::new(false), AtomicBool::new(false)];
        CTarget { handler, done, user_data, watches: false, ended, silent }
    }

    /// A callback that hears of the interruption of an invocation.
    pub(super) fn watcher(callback: wamp_callback_t, user_data: UserData) -> CTarget {
        CTarget { watches: true, ..CTarget::new(callback, None, user_data) }
    }
}

impl EventHandler for CTarget {
    fn deliver(&self, notice: &Notice) -> bool {
        let callback = match notice.kind {
            NoticeKind::Session(EventKind::Released) => return true,
            NoticeKind::Session(
                EventKind::Event | EventKind::Invocation | EventKind::Challenge,
            ) => self.handler,
            NoticeKind::Session(EventKind::Interrupt) => self.handler.filter(|_| self.watches),
            NoticeKind::Session(_) | NoticeKind::Restored | NoticeKind::Suspended => self.done,
            NoticeKind::Connect
            | NoticeKind::Open
            | NoticeKind::Close
            | NoticeKind::Writable
            | NoticeKind::UserError
            | NoticeKind::InternalError
            | NoticeKind::Authenticate
            | NoticeKind::Authorize => self.handler,
        };
        // Lent also without a callback: an invocation that nobody hears is answered with an error.
        let handles = EventHandles::new(notice);
        let Some(callback) = callback else {
            return false;
        };
        let view = View::event(notice);
        let event = view::to_c_event(notice, &handles, view.token(), self.user_data.pointer());
        // SAFETY: the function and its user_data are the host's; the event and all that it points
        // to live until the call returns.
        unsafe { callback(&event, self.user_data.pointer()) };
        true
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn silence(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    fn pass_over(&self, notice: &Notice) {
        // An invocation is answered with an error by this, an attempt is made.
        drop(EventHandles::new(notice));
    }

    fn user_data(&self) -> usize {
        self.user_data.pointer() as usize
    }
}

/// A host's wakeup function.
pub(super) struct CWakeup {
    /// The function.
    pub wakeup: unsafe extern "C" fn(user_data: *mut c_void),
    /// The user_data that it gets.
    pub user_data: UserData,
}

impl CWakeup {
    /// Takes a function; `None` if it is NULL, whose user_data is freed then.
    pub(super) fn shared(wakeup: wamp_wakeup_t, user_data: UserData) -> Option<Arc<dyn Wakeup>> {
        Some(Arc::new(CWakeup { wakeup: wakeup?, user_data }))
    }
}

impl Wakeup for CWakeup {
    fn wake(&self) {
        // SAFETY: the function and its user_data are the host's.
        unsafe { (self.wakeup)(self.user_data.pointer()) };
    }
}

/// A host's log function.
pub(super) struct CSink {
    log: unsafe extern "C" fn(
        level: std::ffi::c_int,
        line: *const std::ffi::c_char,
        user_data: *mut c_void,
    ),
    user_data: UserData,
}

impl CSink {
    /// Takes a function; `None` if it is NULL, whose user_data is freed then.
    pub(super) fn shared(log: wamp_log_t, user_data: UserData) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(CSink { log: log?, user_data }))
    }
}

impl Sink for CSink {
    fn line(&self, level: Level, text: &str) {
        let line = crate::protocol::event::c_text(text);
        // SAFETY: the function and its user_data are the host's; the line lives until it returns.
        unsafe { (self.log)(level as std::ffi::c_int, line.as_ptr(), self.user_data.pointer()) };
    }
}
