//! The time that a peer may show nothing while something is on its way to it.
//!
//! Bytes that the own system has taken say nothing about the peer, and no more do its buffers,
//! which may hold megabytes and empty in large steps. What counts is what the peer's system
//! acknowledges: who reads slowly goes on for ever, and who does not read at all ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::os;

use super::socket::Socket;

/// All that a peer has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It takes some of what is on its way.
    Takes,
    /// Its machine answers, whether or not it takes anything: who does not read for a while is not
    /// cut off.
    Answers,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct WriteTimeout {
    limit: Duration,
    wanted: Sign,
    /// Kept for the next time.
    timer: Option<Pin<Box<Sleep>>>,
    /// A write waits for room.
    is_stuck: bool,
    /// While something is on its way.
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Watch {
    /// The number of looks in a row that have seen no sign of life. Looks are counted, and not
    /// time: it may be this process that sleeps.
    vain: u32,
    /// The peer's progress at the last look.
    taken: i64,
}

/// The number of looks in the time that there is.
const LOOKS: u32 = 4;

/// The finding of a look at the peer.
#[derive(Debug, Clone, Copy)]
struct Look {
    is_waiting: bool,
    taken: i64,
    silence: Duration,
}

impl Look {
    /// `is_stuck`: a write waits for room.
    fn at(socket: &Socket, wanted: Sign, is_stuck: bool) -> Look {
        if socket.tcp().is_none() || !os::TELLS_UNACKNOWLEDGED {
            // There is one buffer between us and the peer, which is small and fills as the peer's
            // own would: that it has not read yet is no reason to doubt it. Elsewhere nothing but
            // such a buffer is known.
            let taken = socket.byte_counts().written as i64;
            return Look { is_waiting: is_stuck, taken, silence: Duration::ZERO };
        }
        let silence = match wanted {
            Sign::Takes => None,
            Sign::Answers => socket.silence(),
        };
        Look {
            is_waiting: socket.unacknowledged() > 0,
            taken: socket.taken(),
            silence: silence.unwrap_or_default(),
        }
    }
}

impl WriteTimeout {
    pub(super) fn new(limit: Duration, wanted: Sign) -> WriteTimeout {
        WriteTimeout { limit, wanted, timer: None, is_stuck: false, watch: None }
    }

    /// Something was given to the socket, or does not fit into it.
    #[inline]
    pub(super) fn wrote(&mut self, cx: &mut Context<'_>, socket: &Socket, fits: bool) {
        self.is_stuck = !fits;
        if self.watch.is_none() {
            let look = Look::at(socket, self.wanted, self.is_stuck);
            if look.is_waiting {
                self.begin(cx, look.taken);
            }
        }
    }

    #[cold]
    fn begin(&mut self, cx: &mut Context<'_>, taken: i64) {
        self.watch = Some(Watch { vain: 0, taken });
        let pause = self.limit / LOOKS;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(pause)));
        timer.as_mut().reset(Instant::now() + pause);
        // Its task may sleep without another word to us.
        let _ = timer.as_mut().poll(cx);
    }

    /// Ready when it has lasted too long. To be asked before its task sleeps.
    #[inline]
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>, socket: &Socket) -> Poll<io::Error> {
        match self.watch {
            Some(_) => {
                let is_stuck = self.is_stuck;
                self.poll_watch(cx, |wanted| Look::at(socket, wanted, is_stuck))
            }
            None => Poll::Pending,
        }
    }

    fn poll_watch(&mut self, cx: &mut Context<'_>, look: impl Fn(Sign) -> Look) -> Poll<io::Error> {
        let pause = self.limit / LOOKS;
        while let (Some(watch), Some(timer)) = (&mut self.watch, &mut self.timer) {
            ready!(timer.as_mut().poll(cx));
            let found = look(self.wanted);
            if !found.is_waiting {
                self.watch = None;
                break;
            }
            let is_alive = match self.wanted {
                Sign::Takes => found.taken > watch.taken,
                Sign::Answers => found.silence < pause,
            };
            watch.vain = if is_alive { 0 } else { watch.vain + 1 };
            watch.taken = found.taken;
            if watch.vain >= LOOKS {
                let why = match self.wanted {
                    Sign::Takes => "the peer no longer takes any data",
                    Sign::Answers => "the peer's machine no longer answers",
                };
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            timer.as_mut().reset(Instant::now() + pause);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn look(taken: i64, silent: u64) -> Look {
        Look { is_waiting: true, taken, silence: Duration::from_secs(silent) }
    }

    async fn begin(write_timeout: &mut WriteTimeout) {
        poll_fn(|cx| {
            write_timeout.begin(cx, 0);
            Poll::Ready(())
        })
        .await;
    }

    async fn ends(write_timeout: &mut WriteTimeout, found: Look) -> bool {
        poll_fn(|cx| Poll::Ready(write_timeout.poll_watch(cx, |_| found).is_ready())).await
    }

    /// For how many seconds a peer is borne with of which this is seen.
    async fn lasts(write_timeout: &mut WriteTimeout, found: impl Fn(i64) -> Look) -> i64 {
        for second in 0..1000 {
            if ends(write_timeout, found(second)).await {
                return second;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        1000
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_something_goes_on_and_who_takes_nothing_ends() {
        for (rate, wanted) in [(1, 1000), (0, 60)] {
            let mut write_timeout = WriteTimeout::new(LIMIT, Sign::Takes);
            begin(&mut write_timeout).await;
            let lasted = lasts(&mut write_timeout, |second| look(second * rate, 0)).await;
            assert!((wanted..wanted + 2).contains(&lasted), "{lasted} s at {rate} bytes/s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_window_is_borne_with_where_an_answer_is_enough() {
        let mut write_timeout = WriteTimeout::new(LIMIT, Sign::Answers);
        begin(&mut write_timeout).await;
        assert_eq!(lasts(&mut write_timeout, |_| look(0, 10)).await, 1000);
        let lasted = lasts(&mut write_timeout, |second| look(0, second as u64)).await;
        assert!((60..=90).contains(&lasted), "{lasted} s");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_on_its_way_is_nothing_to_wait_for() {
        let mut write_timeout = WriteTimeout::new(LIMIT, Sign::Takes);
        begin(&mut write_timeout).await;
        let nothing = Look { is_waiting: false, taken: 0, silence: Duration::ZERO };
        assert_eq!(lasts(&mut write_timeout, |_| nothing).await, 1000);
        assert!(write_timeout.watch.is_none(), "no timer runs any more");
        // The time counts from the write that begins to wait, however long this process has slept.
        begin(&mut write_timeout).await;
        tokio::time::advance(100 * LIMIT).await;
        assert!(!ends(&mut write_timeout, look(-1, 0)).await);
        assert!(!ends(&mut write_timeout, nothing).await);
        tokio::time::advance(LIMIT).await;
        assert!(!ends(&mut write_timeout, nothing).await);
        begin(&mut write_timeout).await;
        let lasted = lasts(&mut write_timeout, |_| look(0, 0)).await;
        assert!((60..62).contains(&lasted), "{lasted} s");
    }
}
