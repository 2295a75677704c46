//! Whom a session would tell of its local ids: a look into all of its tables, which changes nothing.

use super::session::{Request, Session};

impl<H: Clone> Session<H> {
    /// Shows who hears of the local id `id`, and under which id: its handler, who waits for its
    /// request, who waits for its end. Of others' requests that end something it shows those, too.
    pub fn targets_of(&self, id: u64, show: &mut impl FnMut(u64, &H)) {
        self.subscriptions.handlers_of(id, show);
        self.registrations.handler_of(id, show);
        let request = self.local_request(id).and_then(|request| self.requests.get(&request));
        if let Some(Request::Call { target, .. } | Request::Publish { target }) = request {
            show(id, target);
        }
        self.placing_and_ending(show);
    }

    /// Shows everybody who hears of anything, and under which local id.
    pub fn each_target(&self, show: &mut impl FnMut(u64, &H)) {
        self.subscriptions.each_handler(show);
        self.registrations.each_handler(show);
        for (request, pending) in &self.requests {
            if let Request::Call { target, .. } | Request::Publish { target } = pending {
                show(self.request_local(*request), target);
            }
        }
        self.placing_and_ending(show);
    }

    fn placing_and_ending(&self, show: &mut impl FnMut(u64, &H)) {
        for pending in self.requests.values() {
            match pending {
                Request::Call { .. } | Request::Publish { .. } => {}
                Request::Subscribe(pending) => pending.each_handler(show),
                Request::Register(pending) => pending.handler(show),
                Request::Unsubscribe(leaving) => {
                    let watched =
                        leaving.iter().filter_map(|(id, target)| Some((*id, target.as_ref()?)));
                    watched.for_each(|(id, target)| show(id, target));
                }
                Request::Unregister { local, target, .. } => {
                    target.iter().for_each(|target| show(*local, target));
                }
            }
        }
        for (registration, watcher) in self.invocations.watchers() {
            // 0 for a registration that has ended.
            show(self.registrations.local_of(registration).unwrap_or(0), watcher);
        }
    }
}
