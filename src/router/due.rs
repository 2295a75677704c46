//! The time that a client has for its handshakes. Pages that it takes first give it more.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::os::lock;

/// The moment when the time is over.
#[derive(Debug, Clone)]
pub(super) struct Due(Arc<Mutex<Instant>>);

impl Due {
    pub(super) fn new(time: Duration) -> Due {
        Due(Arc::new(Mutex::new(Instant::now() + time)))
    }

    /// The moment, as it is known now.
    pub(super) fn at(&self) -> Instant {
        *lock(&self.0)
    }

    /// Gives it so much time from now on.
    pub(super) fn renew(&self, time: Duration) {
        *lock(&self.0) = Instant::now() + time;
    }

    /// The result of `task`, which alone may change the time meanwhile; `None` where it is over
    /// first.
    pub(super) async fn limit<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        let mut task = std::pin::pin!(task);
        let mut sleep = std::pin::pin!(sleep_until(self.at()));
        std::future::poll_fn(|cx| match task.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_over(sleep.as_mut(), cx).map(|()| None),
        })
        .await
    }

    fn poll_over(&self, mut sleep: std::pin::Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at();
        if at != sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        sleep.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn more_time_and_less_counts_while_it_runs() {
        let due = Due::new(Duration::from_secs(10));
        let begin = Instant::now();
        assert_eq!(due.limit(std::future::pending::<()>()).await, None);
        assert_eq!(begin.elapsed().as_secs(), 10);

        let due = Due::new(Duration::from_secs(10));
        let begin = Instant::now();
        let pages = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            due.renew(Duration::from_secs(3600));
            tokio::time::sleep(Duration::from_secs(30)).await;
            due.renew(Duration::from_secs(10));
            std::future::pending::<()>().await;
        };
        assert_eq!((due.limit(pages).await, begin.elapsed().as_secs()), (None, 45));
    }
}
