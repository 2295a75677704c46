//! Keepalive: when to ask a silent peer for a sign of life, and when to take it for dead.
//!
//! A sign of life is what comes from the peer. What the own system has taken of ours is none, and
//! what the peer's system acknowledges is one only while there is something before the ping that it
//! has not: so a slow peer, or one behind a slow network, gets to the ping in its own time. Once
//! its system has the ping nothing but an answer will do, for the system of a frozen process goes
//! on acknowledging.
//!
//! Knows no clock and no transport: times, and how far the peer's system has come, are passed in.

use std::time::Duration;

use tokio::time::Instant;

/// The silence of a peer.
#[derive(Debug)]
pub(super) struct Silence {
    /// After how much of it to ask; `None` for never.
    interval: Option<Duration>,
    /// Time for an answer.
    timeout: Duration,
    heard: Instant,
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    /// The peer is dead then, unless it shows itself before.
    until: Instant,
    way: Way,
}

/// The place of the ping.
#[derive(Debug)]
enum Way {
    /// On its way to the peer's system, which had come so far with what we write at the last look.
    Going { taken: i64, looked: Instant },
    /// With the peer's system.
    There,
}

/// The consequence of silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// A ping is to be sent.
    Ping,
    /// The peer is dead.
    Lost,
}

/// The facts at a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Bytes of ours that the peer's system has.
    pub(super) taken: i64,
    /// Bytes that it has to have for the ping; `None` while that waits to be written.
    pub(super) ping_end: Option<u64>,
    /// We do not read at the moment, so that an answer cannot come.
    pub(super) deaf: bool,
}

/// Number of looks, in the time for an answer, at how far the ping has come.
const LOOKS: u32 = 8;

impl Silence {
    /// Begins at a time when the peer was heard.
    pub(super) fn new(interval: Option<Duration>, timeout: Duration, now: Instant) -> Silence {
        Silence { interval, timeout, heard: now, asked: None }
    }

    /// Something came. With `pong` it may be the answer: then the time since the question is told.
    pub(super) fn heard(&mut self, now: Instant, pong: bool) -> Option<Duration> {
        self.heard = now;
        let asked = self.asked.take()?;
        pong.then(|| now - asked.at)
    }

    /// Time of the next look; `None` for never.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.asked {
            Some(Asked { until, way: Way::Going { looked, .. }, .. }) => {
                Some((*looked + self.timeout / LOOKS).min(*until))
            }
            Some(asked) => Some(asked.until),
            None => self.interval.map(|interval| self.heard + interval),
        }
    }

    /// True while an answer is waited for.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Looks.
    pub(super) fn look(&mut self, now: Instant, sight: Sight) -> Due {
        let Some(interval) = self.interval else {
            return Due::Nothing;
        };
        let Some(asked) = &mut self.asked else {
            if now < self.heard + interval {
                return Due::Nothing;
            }
            let way = Way::Going { taken: sight.taken, looked: now };
            self.asked = Some(Asked { at: now, until: now + self.timeout, way });
            return Due::Ping;
        };
        if let Way::Going { taken, looked } = &mut asked.way {
            if sight.ping_end.is_some_and(|end| sight.taken >= end as i64) {
                asked.way = Way::There;
            } else {
                if sight.taken > *taken {
                    asked.until = now + self.timeout;
                }
                (*taken, *looked) = (sight.taken, now);
            }
        }
        if now < asked.until {
            return Due::Nothing;
        }
        if sight.deaf {
            self.asked = None;
            self.heard = now;
            return Due::Nothing;
        }
        Due::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(taken: i64, ping_end: Option<u64>) -> Sight {
        Sight { taken, ping_end, deaf: false }
    }

    /// The sight of an idle peer whose system has all we wrote.
    const ALL: Sight = Sight { taken: 100, ping_end: Some(100), deaf: false };

    fn asked() -> (Silence, Instant) {
        let start = Instant::now();
        let mut silence = Silence::new(Some(30 * SECOND), 10 * SECOND, start);
        assert_eq!(silence.look(start + 29 * SECOND, seen(90, None)), Due::Nothing);
        assert_eq!(silence.due(), Some(start + 30 * SECOND));
        assert_eq!(silence.look(start + 30 * SECOND, seen(90, None)), Due::Ping);
        (silence, start + 30 * SECOND)
    }

    /// After how many seconds a peer that answers nothing is lost; `None` if not within 1000.
    fn lost(mut silence: Silence, at: Instant, sight: impl Fn(f64) -> Sight) -> Option<f64> {
        loop {
            let now = silence.due().unwrap();
            let seconds = (now - at).as_secs_f64();
            match silence.look(now, sight(seconds)) {
                Due::Lost => return Some(seconds),
                Due::Ping => panic!("it was asked already"),
                Due::Nothing if seconds > 1000.0 => return None,
                Due::Nothing => {}
            }
        }
    }

    #[test]
    fn who_does_not_answer_is_lost() {
        let (silence, at) = asked();
        assert_eq!(lost(silence, at, |_| ALL), Some(10.0));
    }

    #[test]
    fn a_frozen_peer_is_lost_as_fast_while_we_go_on_writing() {
        let (silence, at) = asked();
        // Its system acknowledges what comes behind the ping.
        let lost = lost(silence, at, |seconds| seen(100 + (seconds * 1e6) as i64, Some(100)));
        assert_eq!(lost, Some(10.0));
    }

    #[test]
    fn who_is_cut_off_is_lost_whatever_waits() {
        for ping_end in [Some(100), None] {
            let (silence, at) = asked();
            assert_eq!(lost(silence, at, |_| seen(90, ping_end)), Some(10.0));
        }
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
    fn who_takes_what_stands_before_the_ping_is_alive() {
        for written in [true, false] {
            let ping_end = written.then_some(1_000_000_000);
            let (silence, at) = asked();
            let sight = |seconds: f64| seen((seconds * 1000.0) as i64, ping_end);
            assert_eq!(lost(silence, at, sight), None, "written: {written}");
        }
    }

    #[test]
    fn once_it_has_the_ping_it_has_the_whole_time_for_its_answer() {
        let (silence, at) = asked();
        // It gets to the ping after 100 s.
        let sight = |seconds: f64| seen((seconds * 1000.0) as i64, Some(100_000));
        let lost = lost(silence, at, sight).unwrap();
        assert!((108.0..=110.0).contains(&lost), "{lost}");
    }

    #[test]
    fn who_stops_taking_is_lost() {
        let (silence, at) = asked();
        let sight = |seconds: f64| seen((seconds.min(50.0) * 1000.0) as i64, Some(100_000));
        let lost = lost(silence, at, sight).unwrap();
        assert!((60.0..=62.0).contains(&lost), "{lost}");
    }

    #[test]
    fn while_we_do_not_listen_nobody_is_lost() {
        let (mut silence, at) = asked();
        let deaf = Sight { deaf: true, ..ALL };
        assert_eq!(silence.look(at + 10 * SECOND, deaf), Due::Nothing);
        assert_eq!(silence.due(), Some(at + 40 * SECOND));
    }

    #[test]
    fn without_an_interval_nobody_asks() {
        let start = Instant::now();
        let mut silence = Silence::new(None, SECOND, start);
        assert_eq!(silence.due(), None);
        assert_eq!(silence.look(start + 1000 * SECOND, ALL), Due::Nothing);
    }
}
