//! Retries: the delays between attempts, as AutobahnJS has them, with its faults mended.
//!
//! The n-th delay is drawn from a normal distribution around `initial * growth^n`, capped at the
//! maximum, with `jitter` times the mean as its deviation; then it is clamped to 0 .. maximum. So
//! clients that lost their router at once stay apart also at the cap. Count and delay start anew
//! only when a session has been open: a proxy that accepts and drops is no success.
//!
//! Knows no clock and no random numbers: both are passed in.

use std::time::Duration;

use crate::protocol::uri;

/// Reasons with which routers refuse credentials: trying again would not help, and may lock an
/// account.
pub(super) const AUTH_FAILURES: &[&str] = &[
    uri::AUTHENTICATION_DENIED,
    uri::AUTHENTICATION_FAILED,
    uri::AUTHENTICATION_REQUIRED,
    uri::AUTHORIZATION_DENIED,
    uri::AUTHORIZATION_FAILED,
    uri::AUTHORIZATION_REQUIRED,
    uri::CANNOT_AUTHENTICATE,
    uri::NO_AUTH_METHOD,
    uri::NO_MATCHING_AUTH_METHOD,
    uri::NO_SUCH_PRINCIPAL,
    uri::NOT_AUTHORIZED,
];

/// The options about retrying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Attempts after a failure; `None` without limit.
    pub max_retries: Option<u32>,
    /// The mean of the first delay, in seconds.
    pub initial: f64,
    /// The longest delay, in seconds.
    pub max: f64,
    /// Factor of the mean after each attempt.
    pub growth: f64,
    /// The deviation, as a fraction of the mean.
    pub jitter: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { max_retries: Some(15), initial: 1.5, max: 300.0, growth: 1.5, jitter: 0.1 }
    }
}

/// The place of a connection in the series of delays.
#[derive(Debug, Clone)]
pub struct Retry {
    policy: Policy,
    count: u32,
    mean: f64,
}

/// A retry that is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Next {
    /// Number of retries, with this one.
    pub count: u32,
    /// Time to wait for it.
    pub delay: Duration,
}

impl Next {
    /// The same, after `rest` at the earliest: what a server wants of its clients. Longer than a
    /// day is nonsense.
    pub fn not_before(self, rest: Option<Duration>) -> Next {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let rest = rest.unwrap_or_default().min(DAY);
        Next { delay: self.delay.max(rest), ..self }
    }
}

impl Retry {
    /// At the start of the series.
    pub fn new(policy: Policy) -> Retry {
        Retry { policy, count: 0, mean: policy.initial }
    }

    /// A session has been open: the series starts anew.
    pub fn reset(&mut self) {
        *self = Retry::new(self.policy);
    }

    /// As [`Retry::next`], after an end that all clients of a router have at the same time: the
    /// first delay is drawn from everything up to twice its mean, with `sample` of the uniform
    /// distribution over 0 .. 1.
    pub fn next_spread(&mut self, sample: f64) -> Option<Next> {
        let is_first = self.count == 0;
        let next = self.next(0.0)?;
        Some(match is_first {
            true => Next { delay: next.delay.mul_f64(2.0 * sample), ..next },
            false => next,
        })
    }

    /// The next retry, drawn with `sample` of the standard normal distribution; `None` when there
    /// have been enough.
    pub fn next(&mut self, sample: f64) -> Option<Next> {
        if self.policy.max_retries.is_some_and(|most| self.count >= most) {
            return None;
        }
        let mean = self.mean.min(self.policy.max);
        let seconds = (mean + sample * mean * self.policy.jitter).clamp(0.0, self.policy.max);
        self.count = self.count.saturating_add(1);
        self.mean = (mean * self.policy.growth).min(self.policy.max);
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Some(Next { count: self.count, delay })
    }
}

/// A sample of the standard normal distribution (Box and Muller) made of two of the uniform one
/// over 0 .. 1.
pub fn normal(first: f64, second: f64) -> f64 {
    // 1 - x: the logarithm of 0 has no place here.
    (-2.0 * (1.0 - first).ln()).sqrt() * (std::f64::consts::TAU * second).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(next: Option<Next>) -> f64 {
        next.unwrap().delay.as_secs_f64()
    }

    #[test]
    fn delays_grow_to_the_maximum() {
        let mut retry = Retry::new(Policy { max_retries: None, ..Policy::default() });
        let means: Vec<f64> = (0..20).map(|_| seconds(retry.next(0.0))).collect();
        assert!(
            means.iter().zip([1.5, 2.25, 3.375]).all(|(mean, wanted)| (mean - wanted).abs() < 1e-6)
        );
        assert!(means.windows(2).all(|two| two[1] >= two[0]));
        assert_eq!(means.last(), Some(&300.0));
    }

    #[test]
    fn jitter_is_kept_at_the_maximum() {
        let policy = Policy { initial: 1000.0, ..Policy::default() };
        let mut retry = Retry::new(policy);
        assert_eq!(seconds(retry.next(-1.0)), 270.0);
        assert_eq!(seconds(retry.next(1.0)), 300.0);
        assert_eq!(seconds(retry.next(-100.0)), 0.0);
    }

    #[test]
    fn the_number_of_retries_is_limited() {
        let count = |max_retries| {
            let mut retry = Retry::new(Policy { max_retries, ..Policy::default() });
            (0..100).map_while(|_| retry.next(0.0)).last().map_or(0, |last| last.count)
        };
        assert_eq!(count(Some(0)), 0);
        assert_eq!(count(Some(15)), 15);
        assert_eq!(count(None), 100);
    }

    #[test]
    fn a_planned_end_is_no_stampede() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut delays = Vec::new();
        for _ in 0..1000 {
            let mut retry = Retry::new(Policy::default());
            delays.push(seconds(retry.next_spread(random.f64())));
            assert_eq!(seconds(retry.next_spread(random.f64())), 2.25, "only the first");
        }
        assert!(delays.iter().all(|delay| (0.0..=3.0).contains(delay)));
        for part in 0..10 {
            let part = f64::from(part) * 0.3..f64::from(part + 1) * 0.3;
            let count = delays.iter().filter(|delay| part.contains(delay)).count();
            assert!((50..150).contains(&count), "{count} of 1000 in {part:?}");
        }
    }

    #[test]
    fn a_server_that_wants_rest_gets_it() {
        let next = |seconds| Next { count: 1, delay: Duration::from_secs(seconds) };
        let rest = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(next(3).not_before(None), next(3));
        assert_eq!(next(3).not_before(rest(2)), next(3));
        assert_eq!(next(3).not_before(rest(30)), next(30));
        assert_eq!(next(3).not_before(rest(u64::MAX)), next(24 * 3600));
    }

    #[test]
    fn an_open_session_starts_the_series_anew() {
        let mut retry = Retry::new(Policy { max_retries: Some(2), ..Policy::default() });
        assert!(retry.next(0.0).is_some() && retry.next(0.0).is_some());
        assert_eq!(retry.next(0.0), None);
        retry.reset();
        let next = retry.next(0.0).unwrap();
        assert_eq!((next.count, next.delay), (1, Duration::from_millis(1500)));
    }

    /// A simulated clock: with a seed the whole series of attempts is known beforehand.
    #[test]
    fn a_seeded_series_follows_the_formula() {
        let policy = Policy { max_retries: None, max: 60.0, ..Policy::default() };
        let mut random = fastrand::Rng::with_seed(2026);
        let (mut clock, mut deviations) = (0.0, Vec::new());
        for outage in 0..200 {
            let mut retry = Retry::new(policy);
            for attempt in 0..30 {
                let sample = normal(random.f64(), random.f64());
                let next = retry.next(sample).unwrap();
                let mean = (1.5 * 1.5f64.powi(attempt)).min(60.0);
                let expected = (mean + sample * 0.1 * mean).clamp(0.0, 60.0);
                let delay = next.delay.as_secs_f64();
                assert!((delay - expected).abs() < 1e-6, "outage {outage}, attempt {attempt}");
                assert_eq!(next.count, attempt as u32 + 1);
                clock += delay;
                if delay < 60.0 {
                    deviations.push((delay - mean) / mean);
                }
            }
        }
        // Below the cap the deviations are those of a normal distribution with 0.1; the cap takes
        // the upper half away where the mean has reached it.
        let spread = deviations.iter().map(|d| d * d).sum::<f64>() / deviations.len() as f64;
        assert!((spread.sqrt() - 0.1).abs() < 0.01, "{}", spread.sqrt());
        let mean_outage = clock / 200.0;
        // 1.5 (1.5^10 - 1) / 0.5 s below the cap, and 20 times 57.6 s at it.
        assert!((1310.0..1335.0).contains(&mean_outage), "{mean_outage}");
    }

    #[test]
    fn samples_are_normal() {
        let mut random = fastrand::Rng::with_seed(7);
        let samples: Vec<f64> = (0..100_000).map(|_| normal(random.f64(), random.f64())).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        let variance =
            samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / samples.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert!(normal(0.0, 0.0).is_finite() && normal(1.0 - f64::EPSILON, 0.5).is_finite());
    }
}
