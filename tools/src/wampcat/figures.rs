//! Figures of what was measured: times in order, and how they are written.

use std::time::Duration;

/// Times of which quantiles are wanted. It takes the same room for five as for a billion: quantiles
/// are exact to one part in 128.
#[derive(Debug)]
pub struct Times {
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    least: Duration,
    most: Duration,
}

/// The bits of a time that its bucket knows, below the highest.
const PRECISION: u32 = 7;

impl Times {
    /// None yet.
    pub fn new() -> Times {
        let buckets = vec![0; bucket(u64::MAX) + 1];
        Times { buckets, count: 0, sum: Duration::ZERO, least: Duration::MAX, most: Duration::ZERO }
    }

    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.buckets[bucket(nanos(time))] += 1;
        self.count += 1;
        self.sum += time;
        self.least = self.least.min(time);
        self.most = self.most.max(time);
    }

    /// The number of them.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time that so large a part (0 to 1) does not exceed; zero without any.
    pub fn quantile(&self, part: f64) -> Duration {
        if self.count == 0 {
            return Duration::ZERO;
        }
        let wanted = ((part * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut below = 0;
        let at = self.buckets.iter().position(|count| {
            below += count;
            below >= wanted
        });
        let time = Duration::from_nanos(at.map_or(u64::MAX, ceiling));
        time.clamp(self.least, self.most)
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        match self.count {
            0 => Duration::ZERO,
            count => self.sum.div_f64(count as f64),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The bucket of a number of nanoseconds: small ones have one each.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(PRECISION + 1);
    let within = (nanos >> shift) as usize;
    ((shift as usize) << PRECISION) + within
}

/// The most nanoseconds of a bucket.
fn ceiling(bucket: usize) -> u64 {
    let one = 1 << PRECISION;
    let shift = (bucket >> PRECISION).saturating_sub(1);
    let within = (bucket - (shift << PRECISION)) as u64;
    debug_assert!(within < 2 * one);
    ((within + 1) << shift).wrapping_sub(1)
}

/// A time in the unit that suits it.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds >= 1.0 => format!("{seconds:.2} s"),
        _ if seconds >= 0.001 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{:.0} µs", seconds * 1e6),
    }
}

/// A time in milliseconds, for programs.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_the_times_that_there_were() {
        let mut times = Times::new();
        assert_eq!((times.quantile(0.5), times.mean()), (Duration::ZERO, Duration::ZERO));
        for millis in (1..=100).rev() {
            times.add(Duration::from_millis(millis));
        }
        for (part, wanted) in [(0.0, 1), (0.01, 1), (0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)]
        {
            let found = times.quantile(part).as_secs_f64() * 1e3;
            let wanted = f64::from(wanted);
            assert!((wanted..=wanted * 1.008).contains(&found), "{part}: {found}");
        }
        assert_eq!(times.quantile(1.0), Duration::from_millis(100));
        assert_eq!(times.mean(), Duration::from_micros(50_500));
    }

    #[test]
    fn buckets_are_in_order_and_without_gaps() {
        let mut before = 0;
        for at in 1..bucket(u64::MAX) {
            let (least, most) = (ceiling(at - 1) + 1, ceiling(at));
            assert_eq!((bucket(least), bucket(most)), (at, at));
            assert!(most > before);
            before = most;
        }
        assert_eq!(ceiling(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn figures_are_easy_to_read() {
        let shown = [900, 1_500, 2_345_678, 3_210_000_000].map(Duration::from_nanos).map(time);
        assert_eq!(shown, ["1 µs", "2 µs", "2.35 ms", "3.21 s"]);
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
