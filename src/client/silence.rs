//! How long a peer may be silent: when to ask it for a sign of life, and when to take it for dead.
//!
//! A peer that takes what we send is alive, and one that has much of it before it cannot answer a
//! ping that stands behind: both get more time. Knows no clock and no transport: times are passed in.

use std::time::Duration;

use tokio::time::Instant;

/// The silence of a peer.
#[derive(Debug)]
pub(super) struct Silence {
    /// After how much of it to ask; `None` for never.
    interval: Option<Duration>,
    /// How long an answer may take.
    timeout: Duration,
    heard: Instant,
    /// Bytes written since.
    unanswered: usize,
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    until: Instant,
    /// Bytes have been written since the last look.
    moves: bool,
    /// How often it got more time although nothing moved.
    extended: u32,
}

/// What silence asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// A ping is to be sent.
    Ping,
    /// The peer is dead.
    Lost,
}

/// So much may lie unread in the buffers of a living peer that its answer takes longer.
const MUCH: usize = 64 * 1024;
/// How many times the time for an answer a peer gets then.
const EXTENSIONS: u32 = 4;

impl Silence {
    /// Begins at a time when the peer was heard.
    pub(super) fn new(interval: Option<Duration>, timeout: Duration, now: Instant) -> Silence {
        Silence { interval, timeout, heard: now, unanswered: 0, asked: None }
    }

    /// Something came. With `pong` it may be the answer: then the time since the question is told.
    pub(super) fn heard(&mut self, now: Instant, pong: bool) -> Option<Duration> {
        self.heard = now;
        self.unanswered = 0;
        let asked = self.asked.take()?;
        pong.then(|| now - asked.at)
    }

    /// The transport has taken bytes.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.unanswered = self.unanswered.saturating_add(bytes);
        if let Some(asked) = &mut self.asked {
            asked.moves = true;
        }
    }

    /// When to look again; `None` for never.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.asked {
            Some(asked) => Some(asked.until),
            None => self.interval.map(|interval| self.heard + interval),
        }
    }

    /// True while an answer is waited for.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Looks. `deaf` says that we do not read at the moment, so that an answer cannot come.
    pub(super) fn look(&mut self, now: Instant, deaf: bool) -> Due {
        let Some(interval) = self.interval else {
            return Due::Nothing;
        };
        let much = self.unanswered > MUCH;
        match &mut self.asked {
            None if now < self.heard + interval => Due::Nothing,
            None => {
                let until = now + self.timeout;
                self.asked = Some(Asked { at: now, until, moves: false, extended: 0 });
                Due::Ping
            }
            Some(asked) if now < asked.until => Due::Nothing,
            Some(_) if deaf => {
                self.asked = None;
                self.heard = now;
                Due::Nothing
            }
            Some(asked) if asked.moves => {
                (asked.moves, asked.until) = (false, now + self.timeout);
                Due::Nothing
            }
            Some(asked) if much && asked.extended < EXTENSIONS => {
                asked.extended += 1;
                asked.until = now + self.timeout;
                Due::Nothing
            }
            Some(_) => Due::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn asked() -> (Silence, Instant) {
        let start = Instant::now();
        let mut silence = Silence::new(Some(30 * SECOND), 10 * SECOND, start);
        assert_eq!(silence.look(start + 29 * SECOND, false), Due::Nothing);
        assert_eq!(silence.due(), Some(start + 30 * SECOND));
        assert_eq!(silence.look(start + 30 * SECOND, false), Due::Ping);
        assert_eq!(silence.due(), Some(start + 40 * SECOND));
        (silence, start + 30 * SECOND)
    }

    #[test]
    fn who_does_not_answer_is_lost() {
        let (mut silence, at) = asked();
        assert_eq!(silence.look(at + 9 * SECOND, false), Due::Nothing);
        assert_eq!(silence.look(at + 10 * SECOND, false), Due::Lost);
    }

    #[test]
    fn an_answer_tells_the_round_trip() {
        let (mut silence, at) = asked();
        assert_eq!(silence.heard(at + SECOND, true), Some(SECOND));
        assert_eq!(silence.due(), Some(at + 31 * SECOND));
        assert_eq!(silence.heard(at + 2 * SECOND, true), None, "nobody had asked");
        let (mut silence, at) = asked();
        assert_eq!(silence.heard(at + SECOND, false), None, "a message is no answer");
        assert!(!silence.has_asked(), "but a sign of life");
    }

    #[test]
    fn who_takes_what_we_send_is_alive() {
        let (mut silence, at) = asked();
        for round in 1..100 {
            silence.wrote(10);
            assert_eq!(silence.look(at + round * 10 * SECOND, false), Due::Nothing);
        }
        assert_eq!(silence.look(at + 1000 * SECOND, false), Due::Lost);
    }

    #[test]
    fn who_has_much_before_the_question_gets_more_time() {
        let (mut silence, at) = asked();
        silence.wrote(MUCH + 1);
        for round in 1..=5 {
            assert_eq!(silence.look(at + round * 10 * SECOND, false), Due::Nothing, "{round}");
        }
        assert_eq!(silence.look(at + 60 * SECOND, false), Due::Lost);
    }

    #[test]
    fn while_we_do_not_listen_nobody_is_lost() {
        let (mut silence, at) = asked();
        assert_eq!(silence.look(at + 10 * SECOND, true), Due::Nothing);
        assert_eq!(silence.due(), Some(at + 40 * SECOND));
    }

    #[test]
    fn without_an_interval_nobody_asks() {
        let start = Instant::now();
        let mut silence = Silence::new(None, SECOND, start);
        assert_eq!(silence.due(), None);
        assert_eq!(silence.look(start + 1000 * SECOND, false), Due::Nothing);
    }
}
