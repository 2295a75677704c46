//! Events that were polled, as they are shown until the next poll.

use std::collections::VecDeque;
use std::ptr;

use crate::client::Notice;

use super::event_handles::EventHandles;
use super::lens::View;
use super::objects::Polled;
use super::types::wamp_event_t;
use super::view;

/// The events of one poll.
pub(super) struct PolledEvents {
    // Dropped in this order: nobody sees the notices any more when they end.
    views: Vec<(View, EventHandles)>,
    notices: VecDeque<Notice>,
}

// SAFETY: handles are numbers, and nothing else in it is bound to a thread.
unsafe impl Send for PolledEvents {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for PolledEvents {}

impl PolledEvents {
    /// Shows notices.
    pub(super) fn new(notices: VecDeque<Notice>) -> PolledEvents {
        // The list is not changed any more until the views are gone: the notices do not move.
        let show = |notice: &Notice| (View::event(notice), EventHandles::new(notice));
        PolledEvents { views: notices.iter().map(show).collect(), notices }
    }

    /// Shows them one after the other, each with its number.
    pub(super) fn for_each(&self, mut show: impl FnMut(usize, wamp_event_t)) {
        for (index, (notice, (view, handles))) in self.notices.iter().zip(&self.views).enumerate() {
            let handler = notice.event.target.as_ref().and_then(|receiver| receiver.handler());
            let user_data = handler.map_or(0, |handler| handler.user_data());
            let user_data = ptr::with_exposed_provenance_mut(user_data);
            show(index, view::to_c_event(notice, handles, view.token(), user_data));
        }
    }
}

impl Polled for PolledEvents {
    fn end(self: Box<Self>) -> VecDeque<Notice> {
        let PolledEvents { views, mut notices } = *self;
        drop(views);
        notices.clear();
        notices
    }
}
