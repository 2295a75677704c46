//! A message that has not come as a whole: the memory that it takes until then, and its time.
//!
//! Every read can end within a message, so that little is done for one: a clock runs as long as
//! there is any, and looks from time to time whether it is still the same.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::transport::Transport;

use super::budget::FLAT;
use super::peer::Peer;

/// The bytes a second that are enough, of a message that takes longer than it may.
const LEAST_RATE: f64 = 1024.0;

/// The message of a client that has begun to come, if there is one.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    /// The time of the next look.
    clock: Option<Pin<Box<Sleep>>>,
    /// The messages that had come as a whole by the last look, and the bytes of the next one.
    messages: u64,
    partial: usize,
    /// It takes more than a connection counts for anyhow.
    is_counted: bool,
}

impl Receiving {
    /// Looks at what is there of the next message, after `messages` that have come as a whole. An
    /// error tells that it takes too long.
    #[inline]
    pub(super) fn look(
        &mut self,
        transport: &dyn Transport,
        messages: u64,
        (peer, limit): (&Peer, Duration),
        cx: &mut Context<'_>,
    ) -> Result<(), String> {
        let partial = transport.partial();
        let held = transport.held();
        if held > FLAT || self.is_counted {
            self.is_counted = held > FLAT;
            let held = if self.is_counted { held } else { 0 };
            peer.holds(held, transport.byte_counts().read);
        }
        match &mut self.clock {
            None if partial == 0 => Ok(()),
            Some(clock) if !clock.is_elapsed() => Ok(()),
            _ => self.look_at_clock(partial, messages, limit, cx),
        }
    }

    #[cold]
    fn look_at_clock(
        &mut self,
        partial: usize,
        messages: u64,
        limit: Duration,
        cx: &mut Context<'_>,
    ) -> Result<(), String> {
        let had_begun = self.clock.take().is_some();
        if partial == 0 {
            return Ok(());
        }
        let come = partial.saturating_sub(self.partial);
        let enough = (limit.as_secs_f64() * LEAST_RATE) as usize;
        if had_begun && self.messages == messages && come <= enough {
            let seconds = limit.as_secs_f64();
            return Err(format!(
                "a message did not come to its end within {seconds} s (message_timeout)"
            ));
        }
        (self.messages, self.partial) = (messages, partial);
        let mut clock = Box::pin(sleep_until(Instant::now() + limit));
        // Whoever polls this is woken for it.
        let _pending = clock.as_mut().poll(cx);
        self.clock = Some(clock);
        Ok(())
    }
}
