//! Targets: a look into all parts of a session for whom it would tell of its local ids.

use super::Session;

impl<H: Clone> Session<H> {
    /// Shows who hears of the local id `id`, and under which id: its handler, who waits for its
    /// request, who waits for its end. Of others' requests that end something it shows those, too.
    pub fn targets_of(&self, id: u64, show: &mut impl FnMut(u64, &H)) {
        self.subscriptions.handlers_of(id, show);
        self.registrations.handler_of(id, show);
        let request = self.link.ids.request_of(id);
        let request = request.and_then(|request| self.link.requests.get(&request));
        if let Some(target) = request.and_then(|request| request.target()) {
            show(id, target);
        }
        self.each_waiting(show);
    }

    /// Shows everybody who hears of anything, and under which local id.
    pub fn each_target(&self, show: &mut impl FnMut(u64, &H)) {
        self.subscriptions.each_handler(show);
        self.registrations.each_handler(show);
        for (id, request) in &self.link.requests {
            if let Some(target) = request.target() {
                show(self.link.ids.local_of(*id), target);
            }
        }
        self.each_waiting(show);
    }

    fn each_waiting(&self, show: &mut impl FnMut(u64, &H)) {
        self.link.requests.values().for_each(|request| request.each_waiting(show));
        for (registration, watcher) in self.invocations.watchers() {
            // 0 for a registration that has ended.
            let registration = self.registrations.get(registration);
            show(registration.map_or(0, |registration| registration.local), watcher);
        }
    }
}
