//! The slowing of those who guess: failed logins under one name from one address have to wait, each
//! for longer than the one before.
//!
//! A failure is told when its delay is over. Until then further logins of that name from there wait
//! for their turn, right ones too: whoever guesses could otherwise try many at once, and take no
//! immediate answer for a failure. Who logs in from elsewhere, or under another name, never waits.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::os::lock;
use crate::router::mistake::{Mistake, object};

/// The place that a client comes from, as far as failures are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::router) enum Origin {
    /// An address; of IPv6 the network of 64 bits, all of which one customer has.
    Address(IpAddr),
    /// A listener whose clients have no address.
    Listener(u64),
}

/// The delays after failures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Delays {
    first: Duration,
    most: Duration,
}

/// See the module's text.
#[derive(Debug)]
pub(in crate::router) struct Failures {
    delays: Delays,
    /// Names are hashed, so that long ones take no more room.
    names: RandomState,
    entries: Arc<Mutex<HashMap<(u64, Origin), Entry>>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    count: u32,
    /// The time at which the last delay is over.
    free_at: Instant,
}

/// The time at which a client is told what became of its login.
#[derive(Debug, PartialEq)]
pub(in crate::router) enum Turn {
    At(Instant),
    /// Too many wait already: it is refused at once, whatever its answer was worth.
    Refused(Duration),
}

/// So many failures have the first delay: anybody may mistype.
const MISTYPED: u32 = 3;

/// The time after the last delay at which failures are forgotten.
const MEMORY: Duration = Duration::from_secs(600);

/// The most entries; some 48 bytes each.
const MOST_ENTRIES: usize = 16_384;

impl Origin {
    /// The address, if there is one.
    pub(in crate::router) fn address(self) -> Option<IpAddr> {
        match self {
            Origin::Address(address) => Some(address),
            Origin::Listener(_) => None,
        }
    }

    pub(in crate::router) fn of(address: IpAddr) -> Origin {
        Origin::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
            v4 => v4,
        })
    }
}

impl Default for Delays {
    fn default() -> Self {
        Delays { first: Duration::from_millis(100), most: Duration::from_secs(5) }
    }
}

impl Delays {
    /// Reads the value of `failure_delay`.
    pub(super) fn parse(value: &Value) -> Result<Delays, Mistake> {
        let wanted = "must be {\"first\": seconds, \"most\": seconds}, from 0 to 60";
        let entries = object(value, &["first", "most"], wanted)?;
        let delay = |key: &str, usual: Duration| match entries.get(key) {
            None => Ok(usual),
            Some(value) => value
                .as_f64()
                .filter(|seconds| (0.0..=60.0).contains(seconds))
                .map(Duration::from_secs_f64)
                .ok_or_else(|| Mistake::of(key, "must be a number of seconds, from 0 to 60")),
        };
        let usual = Delays::default();
        Ok(Delays { first: delay("first", usual.first)?, most: delay("most", usual.most)? })
    }

    /// The delay of a failure, of which so many came before.
    fn after(self, failures: u32) -> Duration {
        let doubled = failures.saturating_sub(MISTYPED - 1).min(20);
        self.first.saturating_mul(1 << doubled).min(self.most)
    }
}

impl Default for Failures {
    fn default() -> Self {
        Failures::new(Delays::default())
    }
}

impl Failures {
    pub(super) fn new(delays: Delays) -> Failures {
        Failures { delays, names: RandomState::new(), entries: Arc::default() }
    }

    /// The same failures, with other delays.
    pub(super) fn with(&self, delays: Delays) -> Failures {
        Failures { delays, names: self.names.clone(), entries: self.entries.clone() }
    }

    /// Counts a login that has just been judged.
    pub(in crate::router) fn judged(
        &self,
        name: &str,
        origin: Origin,
        failed: bool,
        now: Instant,
    ) -> Turn {
        let key = (self.names.hash_one(name), origin);
        let mut entries = lock(&self.entries);
        let entry = entries.get(&key).filter(|entry| entry.is_remembered(now));
        let entry = *entry.unwrap_or(&Entry { count: 0, free_at: now });
        let turn = entry.free_at.max(now);
        if turn > now + self.delays.most {
            return Turn::Refused(turn - now);
        }
        if !failed {
            return Turn::At(turn);
        }
        let free_at = turn + self.delays.after(entry.count);
        if entries.len() >= MOST_ENTRIES && !entries.contains_key(&key) {
            make_room(&mut entries, now);
        }
        entries.insert(key, Entry { count: entry.count.saturating_add(1), free_at });
        Turn::At(free_at)
    }
}

impl Turn {
    /// The words for who is refused.
    pub(in crate::router) fn why(&self) -> Option<String> {
        let Turn::Refused(wait) = self else {
            return None;
        };
        let seconds = wait.as_secs() + 1;
        Some(format!(
            "too many logins under that name have failed from there; try again in {seconds} s"
        ))
    }
}

impl Entry {
    fn is_remembered(&self, now: Instant) -> bool {
        now < self.free_at + MEMORY
    }
}

/// Forgets what is over or, where that is little, the half with the fewest failures: names that
/// are made up to fill the table only drive out each other.
fn make_room(entries: &mut HashMap<(u64, Origin), Entry>, now: Instant) {
    entries.retain(|_, entry| entry.is_remembered(now));
    if entries.len() <= MOST_ENTRIES / 2 {
        return;
    }
    let mut all: Vec<_> = entries.drain().collect();
    all.sort_unstable_by_key(|(_, entry)| std::cmp::Reverse((entry.count, entry.free_at)));
    all.truncate(MOST_ENTRIES / 2);
    entries.extend(all);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Origin = Origin::Listener(1);

    fn delay(failures: &Failures, name: &str, origin: Origin, failed: bool, now: Instant) -> u128 {
        match failures.judged(name, origin, failed, now) {
            Turn::At(turn) => (turn - now).as_millis(),
            Turn::Refused(_) => panic!("refused"),
        }
    }

    #[test]
    fn failures_take_longer_and_longer_and_only_they() {
        let failures = Failures::new(Delays::default());
        let mut now = Instant::now();
        let there = Origin::of("192.0.2.1".parse().unwrap());
        for wanted in [100, 100, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert_eq!(delay(&failures, "joe", HERE, true, now), wanted);
            assert_eq!(delay(&failures, "joe", HERE, false, now), wanted);
            assert_eq!(delay(&failures, "ann", HERE, false, now), 0);
            assert_eq!(delay(&failures, "joe", there, false, now), 0);
            now += Duration::from_millis(wanted as u64);
            // A right one is told at once, and does not make up for the wrong ones.
            assert_eq!(delay(&failures, "joe", HERE, false, now), 0);
        }
        now += MEMORY;
        assert_eq!(delay(&failures, "joe", HERE, true, now), 100);
    }

    #[test]
    fn those_that_come_together_wait_for_each_other() {
        let failures = Failures::new(Delays::default());
        let now = Instant::now();
        for wanted in [100, 200, 300, 500, 900, 1700, 3300, 6500] {
            assert_eq!(delay(&failures, "joe", HERE, true, now), wanted);
        }
        for failed in [true, false] {
            let turn = failures.judged("joe", HERE, failed, now);
            assert_eq!(turn, Turn::Refused(Duration::from_millis(6500)));
        }
        assert_eq!(delay(&failures, "ann", HERE, false, now), 0);
    }

    #[test]
    fn an_address_is_a_network_of_ipv6() {
        let origin = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
    }

    #[test]
    fn the_table_has_an_end_and_keeps_those_who_fail_most() {
        let failures = Failures::new(Delays::default());
        let now = Instant::now();
        for _ in 0..6 {
            failures.judged("joe", HERE, true, now);
        }
        for at in 0..3 * MOST_ENTRIES {
            failures.judged(&at.to_string(), HERE, true, now);
            assert!(at % 1000 != 0 || lock(&failures.entries).len() <= MOST_ENTRIES);
        }
        let later = now + Duration::from_secs(4);
        assert_eq!(delay(&failures, "joe", HERE, true, later), 1600);
    }

    #[test]
    fn delays_are_read() {
        let parse = |text: &str| Delays::parse(&serde_json::from_str(text).unwrap());
        let read = parse(r#"{"first": 0, "most": 1.5}"#).unwrap();
        assert_eq!(read, Delays { first: Duration::ZERO, most: Duration::from_millis(1500) });
        assert_eq!(parse("{}"), Ok(Delays::default()));
        for wrong in ["1", r#"{"first": -1}"#, r#"{"most": 61}"#, r#"{"frist": 1}"#] {
            let told = parse(wrong).unwrap_err().to_string();
            assert!(
                told.contains("seconds") || told.contains("did you mean \"first\""),
                "{wrong}: {told}"
            );
        }
        let failures = Failures::new(read);
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(failures.judged("joe", HERE, true, now), Turn::At(now));
        }
    }
}
