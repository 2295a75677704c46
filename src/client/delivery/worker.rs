//! A turn on a thread that may block, which is told where it never came to run.

/// Work on something. Where it never ran, as the library was shut down, it is skipped instead.
pub(super) struct Worker<T> {
    subject: T,
    run: fn(&T),
    skip: fn(&T),
    ran: bool,
}

impl<T> Worker<T> {
    pub(super) fn new(subject: T, run: fn(&T), skip: fn(&T)) -> Worker<T> {
        Worker { subject, run, skip, ran: false }
    }

    pub(super) fn run(&mut self) {
        self.ran = true;
        (self.run)(&self.subject);
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        if !self.ran {
            (self.skip)(&self.subject);
        }
    }
}
