//! The texts of the last failures on each thread, for wamp_last_error().
//!
//! A program writes `printf("%d %s\n", wamp_session_publish(...), wamp_last_error())` sooner or later,
//! and C may ask for the text before the call that fails: so a text outlives the next failures.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

/// Texts that live on; each ends when as many others have been kept after it.
const KEPT: usize = 8;

#[derive(Default)]
struct Texts {
    texts: [CString; KEPT],
    last: usize,
}

impl Texts {
    fn keep(&mut self, text: CString) {
        self.last = (self.last + 1) % KEPT;
        self.texts[self.last] = text;
    }

    fn last(&self) -> *const c_char {
        self.texts[self.last].as_ptr()
    }
}

thread_local! {
    static TEXTS: RefCell<Texts> = RefCell::default();
}

/// Keeps the text of a failure, for this thread.
pub(super) fn keep(text: &str) {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // Not reachable during the thread's very end: then there is nobody to read it either.
    let _ = TEXTS.try_with(|texts| texts.borrow_mut().keep(text));
}

/// The text of the last failure on this thread; empty before the first.
pub(super) fn last() -> *const c_char {
    TEXTS.try_with(|texts| texts.borrow().last()).unwrap_or(c"".as_ptr())
}
