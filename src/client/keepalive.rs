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

/// The times of a peer: when to ping it, and how long to wait for it.
#[derive(Debug)]
pub(super) struct PingTimer {
    /// The silence after which to ping; `None` for never.
    interval: Option<Duration>,
    /// Time for an answer.
    timeout: Duration,
    heard: Instant,
    ping: Option<Ping>,
}

#[derive(Debug)]
struct Ping {
    at: Instant,
    /// The peer is dead then, unless it shows itself before.
    until: Instant,
    place: Place,
}

/// The place of the ping.
#[derive(Debug)]
enum Place {
    /// On its way to the peer's system, which had come so far with what we write at the last check.
    OnItsWay { taken: i64, checked: Instant },
    /// With the peer's system.
    Delivered,
}

/// The consequence of silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// A ping is to be sent.
    Ping,
    /// The peer is dead.
    Lost,
}

/// The facts at a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    /// Bytes of ours that the peer's system has.
    pub(super) taken: i64,
    /// Bytes that it has to have for the ping; `None` while that waits to be written.
    pub(super) ping_end: Option<u64>,
    /// We do not read at the moment, so that an answer cannot come.
    pub(super) not_reading: bool,
}

/// Number of checks, in the time for an answer, of how far the ping has come.
const CHECKS: u32 = 8;

impl PingTimer {
    /// A timer that begins when the peer was heard.
    pub(super) fn new(interval: Option<Duration>, timeout: Duration, now: Instant) -> PingTimer {
        PingTimer { interval, timeout, heard: now, ping: None }
    }

    /// Notes that something came. With `pong` it may be the answer: then gives the round trip.
    pub(super) fn heard(&mut self, now: Instant, pong: bool) -> Option<Duration> {
        self.heard = now;
        let ping = self.ping.take()?;
        pong.then(|| now - ping.at)
    }

    /// Time of the next check; `None` for never.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.ping {
            Some(Ping { until, place: Place::OnItsWay { checked, .. }, .. }) => {
                Some((*checked + self.timeout / CHECKS).min(*until))
            }
            Some(ping) => Some(ping.until),
            None => self.interval.map(|interval| self.heard + interval),
        }
    }

    /// True while an answer is waited for.
    pub(super) fn has_pinged(&self) -> bool {
        self.ping.is_some()
    }

    /// Checks what is due.
    pub(super) fn check(&mut self, now: Instant, seen: Observation) -> Verdict {
        let Some(interval) = self.interval else {
            return Verdict::Nothing;
        };
        let Some(ping) = &mut self.ping else {
            if now < self.heard + interval {
                return Verdict::Nothing;
            }
            let place = Place::OnItsWay { taken: seen.taken, checked: now };
            self.ping = Some(Ping { at: now, until: now + self.timeout, place });
            return Verdict::Ping;
        };
        if let Place::OnItsWay { taken, checked } = &mut ping.place {
            if seen.ping_end.is_some_and(|end| seen.taken >= end as i64) {
                ping.place = Place::Delivered;
            } else {
                if seen.taken > *taken {
                    ping.until = now + self.timeout;
                }
                (*taken, *checked) = (seen.taken, now);
            }
        }
        if now < ping.until {
            return Verdict::Nothing;
        }
        if seen.not_reading {
            self.ping = None;
            self.heard = now;
            return Verdict::Nothing;
        }
        Verdict::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(taken: i64, ping_end: Option<u64>) -> Observation {
        Observation { taken, ping_end, not_reading: false }
    }

    /// The seen of an idle peer whose system has all we wrote.
    const ALL: Observation = Observation { taken: 100, ping_end: Some(100), not_reading: false };

    fn pinged() -> (PingTimer, Instant) {
        let start = Instant::now();
        let mut timer = PingTimer::new(Some(30 * SECOND), 10 * SECOND, start);
        assert_eq!(timer.check(start + 29 * SECOND, seen(90, None)), Verdict::Nothing);
        assert_eq!(timer.due(), Some(start + 30 * SECOND));
        assert_eq!(timer.check(start + 30 * SECOND, seen(90, None)), Verdict::Ping);
        (timer, start + 30 * SECOND)
    }

    /// After how many seconds a peer that answers nothing is lost; `None` if not within 1000.
    fn lost(mut timer: PingTimer, at: Instant, seen: impl Fn(f64) -> Observation) -> Option<f64> {
        loop {
            let now = timer.due().unwrap();
            let seconds = (now - at).as_secs_f64();
            match timer.check(now, seen(seconds)) {
                Verdict::Lost => return Some(seconds),
                Verdict::Ping => panic!("it was asked already"),
                Verdict::Nothing if seconds > 1000.0 => return None,
                Verdict::Nothing => {}
            }
        }
    }

    #[test]
    fn who_does_not_answer_is_lost() {
        let (timer, at) = pinged();
        assert_eq!(lost(timer, at, |_| ALL), Some(10.0));
    }

    #[test]
    fn a_frozen_peer_is_lost_as_fast_while_we_go_on_writing() {
        let (timer, at) = pinged();
        // Its system acknowledges what comes behind the ping.
        let lost = lost(timer, at, |seconds| seen(100 + (seconds * 1e6) as i64, Some(100)));
        assert_eq!(lost, Some(10.0));
    }

    #[test]
    fn who_is_cut_off_is_lost_whatever_waits() {
        for ping_end in [Some(100), None] {
            let (timer, at) = pinged();
            assert_eq!(lost(timer, at, |_| seen(90, ping_end)), Some(10.0));
        }
    }

    #[test]
    fn an_answer_tells_the_round_trip() {
        let (mut timer, at) = pinged();
        assert_eq!(timer.heard(at + SECOND, true), Some(SECOND));
        assert_eq!(timer.due(), Some(at + 31 * SECOND));
        assert_eq!(timer.heard(at + 2 * SECOND, true), None, "nobody had asked");
        let (mut timer, at) = pinged();
        assert_eq!(timer.heard(at + SECOND, false), None, "a message is no answer");
        assert!(!timer.has_pinged(), "but a sign of life");
    }

    #[test]
    fn who_takes_what_stands_before_the_ping_is_alive() {
        for written in [true, false] {
            let ping_end = written.then_some(1_000_000_000);
            let (timer, at) = pinged();
            let seen = |seconds: f64| seen((seconds * 1000.0) as i64, ping_end);
            assert_eq!(lost(timer, at, seen), None, "written: {written}");
        }
    }

    #[test]
    fn once_it_has_the_ping_it_has_the_whole_time_for_its_answer() {
        let (timer, at) = pinged();
        // It gets to the ping after 100 s.
        let seen = |seconds: f64| seen((seconds * 1000.0) as i64, Some(100_000));
        let lost = lost(timer, at, seen).unwrap();
        assert!((108.0..=110.0).contains(&lost), "{lost}");
    }

    #[test]
    fn who_stops_taking_is_lost() {
        let (timer, at) = pinged();
        let seen = |seconds: f64| seen((seconds.min(50.0) * 1000.0) as i64, Some(100_000));
        let lost = lost(timer, at, seen).unwrap();
        assert!((60.0..=62.0).contains(&lost), "{lost}");
    }

    #[test]
    fn while_we_do_not_listen_nobody_is_lost() {
        let (mut timer, at) = pinged();
        let not_reading = Observation { not_reading: true, ..ALL };
        assert_eq!(timer.check(at + 10 * SECOND, not_reading), Verdict::Nothing);
        assert_eq!(timer.due(), Some(at + 40 * SECOND));
    }

    #[test]
    fn without_an_interval_nobody_asks() {
        let start = Instant::now();
        let mut timer = PingTimer::new(None, SECOND, start);
        assert_eq!(timer.due(), None);
        assert_eq!(timer.check(start + 1000 * SECOND, ALL), Verdict::Nothing);
    }
}
