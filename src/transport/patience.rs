//! How long a peer may take nothing of what is written to it.
//!
//! Progress is what the operating system tells: it takes more from us once the peer has made some
//! room, so that a peer that reads slowly goes on for ever, and one that does not read at all ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    /// Kept for the next time.
    timer: Option<Pin<Box<Sleep>>>,
    /// A write waits.
    waits: bool,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Patience {
        Patience { limit, timer: None, waits: false }
    }

    /// What becomes of a write.
    #[inline]
    pub(super) fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(_) => {
                self.waits = false;
                written
            }
            Poll::Pending => self.wait(cx).map(Err),
        }
    }

    /// Ready when it has lasted too long.
    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waits {
            timer.as_mut().reset(Instant::now() + limit);
            self.waits = true;
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing any more"))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn progress_counts_as_life() {
        const LIMIT: Duration = Duration::from_secs(60);
        let mut patience = Patience::new(LIMIT);
        let mut write = async |written: Option<usize>| {
            poll_fn(|cx| {
                let written = written.map_or(Poll::Pending, |size| Poll::Ready(Ok(size)));
                Poll::Ready(patience.bound(cx, written))
            })
            .await
        };
        for _ in 0..3 {
            assert!(write(None).await.is_pending());
            tokio::time::advance(LIMIT - Duration::from_secs(1)).await;
            assert!(write(None).await.is_pending());
            assert!(write(Some(1)).await.is_ready());
            tokio::time::advance(2 * LIMIT).await;
        }
        assert!(write(None).await.is_pending(), "nothing was to be written meanwhile");
        tokio::time::advance(LIMIT + Duration::from_millis(1)).await;
        for _ in 0..2 {
            let Poll::Ready(Err(error)) = write(None).await else { panic!("it still waits") };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }
}
