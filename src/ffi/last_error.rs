//! The texts of the last failures on each thread, for wamp_last_error().
//!
//! A program writes `printf("%d %s\n", wamp_session_publish(...), wamp_last_error())` sooner or
//! later, and C may ask for the text before the call that fails: so a text outlives the next
//! failures.

use std::cell::{Cell, RefCell};
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

/// The size of what is told of a failure when a thread ends.
const LATE: usize = 256;

thread_local! {
    static TEXTS: RefCell<Texts> = RefCell::default();
    /// Takes their place when they are gone, as for the destructors of other keys of the thread; it
    /// needs none of its own.
    static LATE_TEXT: Cell<[u8; LATE]> = const { Cell::new([0; LATE]) };
}

/// Keeps the text of a failure, for this thread.
pub(super) fn keep(text: &str) {
    let whole = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    if TEXTS.try_with(|texts| texts.borrow_mut().keep(whole)).is_err() {
        LATE_TEXT.set(cut(text));
    }
}

/// The text of the last failure on this thread; empty before the first.
pub(super) fn last() -> *const c_char {
    let last = TEXTS.try_with(|texts| texts.borrow().last());
    last.unwrap_or_else(|_| LATE_TEXT.with(|text| text.as_ptr().cast()))
}

/// Cuts a text to the room that there is, NUL-terminated.
fn cut(text: &str) -> [u8; LATE] {
    let mut room = [0; LATE];
    let ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
    let size = ends.take_while(|end| *end < LATE).last().unwrap_or(0);
    room[..size].copy_from_slice(&text.as_bytes()[..size]);
    room
}
