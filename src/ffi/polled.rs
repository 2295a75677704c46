//! Events that were polled, as they are shown until the next poll.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::ptr;

use crate::client::{Failure, Notice, Status};

use super::event_handles::EventHandles;
use super::lens::View;
use super::objects::Polled;
use super::types::wamp_event_t;
use super::view;

/// No wamp_event_t of a later header will be larger: what is, is no size of one.
const MOST_EVENT_SIZE: usize = 64 * 1024;

/// An array of the program, for events.
pub(super) struct EventArray {
    events: *mut wamp_event_t,
    event_size: usize,
    max: usize,
}

impl EventArray {
    /// Checks what the program says about its array.
    pub(super) fn new(
        events: *mut wamp_event_t,
        event_size: usize,
        max: c_int,
    ) -> Result<EventArray, Failure> {
        let max = usize::try_from(max).ok().filter(|max| *max > 0 && !events.is_null());
        let max = max.ok_or_else(|| {
            Failure::new(Status::Argument, "`events` is NULL, or `max` is not positive")
        })?;
        if event_size < size_of::<wamp_event_t>()
            || event_size > MOST_EVENT_SIZE
            || !event_size.is_multiple_of(align_of::<wamp_event_t>())
        {
            let text = "`event_size` is not sizeof(wamp_event_t): was the program compiled with \
                        the wamp.h of this library?";
            return Err(Failure::new(Status::Argument, text));
        }
        Ok(EventArray { events, event_size, max })
    }

    /// The number of its elements.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Writes an event to its place, if there is such a place.
    ///
    /// # Safety
    /// There is room for so many elements of that size.
    #[inline]
    pub(super) unsafe fn put(&self, index: usize, event: wamp_event_t) {
        if index >= self.max {
            return;
        }
        let more = self.event_size - size_of::<wamp_event_t>();
        // SAFETY: by the caller's promise there is room, and each element is at least as large as
        // the struct.
        unsafe {
            let place = self.events.cast::<u8>().add(index * self.event_size);
            place.cast::<wamp_event_t>().write(event);
            if more > 0 {
                place.add(size_of::<wamp_event_t>()).write_bytes(0, more);
            }
        }
    }
}

/// The events of one poll.
pub(super) struct PolledEvents {
    // Dropped in this order: nobody sees the notices any more when they end.
    view: View,
    handles: Vec<EventHandles>,
    notices: VecDeque<Notice>,
}

// SAFETY: handles are numbers, and nothing else in it is bound to a thread.
unsafe impl Send for PolledEvents {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for PolledEvents {}

impl PolledEvents {
    /// Shows notices.
    pub(super) fn new(mut notices: VecDeque<Notice>) -> PolledEvents {
        // The list is not changed any more until the view is gone: the notices do not move.
        let view = View::events(notices.make_contiguous());
        PolledEvents { view, handles: notices.iter().map(EventHandles::new).collect(), notices }
    }

    /// Shows them one after the other, each with its number.
    pub(super) fn for_each(&self, mut show: impl FnMut(usize, wamp_event_t)) {
        for (index, (notice, handles)) in self.notices.iter().zip(&self.handles).enumerate() {
            let handler = notice.event.target.as_ref().and_then(|receiver| receiver.handler());
            let user_data = handler.map_or(0, |handler| handler.user_data());
            let user_data = ptr::with_exposed_provenance_mut(user_data);
            show(index, view::to_c_event(notice, handles, self.view.token_of(index), user_data));
        }
    }
}

impl Polled for PolledEvents {
    fn end(self: Box<Self>) -> VecDeque<Notice> {
        let PolledEvents { view, handles, mut notices } = *self;
        drop((view, handles));
        notices.clear();
        notices
    }
}
