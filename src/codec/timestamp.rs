//! Points in time, as MsgPack's timestamps and CBOR's tags 0 and 1 have them, and as RFC 3339 text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: seconds since 1970, and nanoseconds after that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// May be negative.
    pub seconds: i64,
    /// Below a billion.
    pub nanos: u32,
}

const DAY: i64 = 86_400;
/// The years 0000 and 10000 begin here.
const FIRST: i64 = -62_167_219_200;
const END: i64 = 253_402_300_800;

impl Timestamp {
    /// The timestamp of seconds with a fraction; `None` for what is beyond all calendars.
    pub fn from_float(seconds: f64) -> Option<Timestamp> {
        if !(-1e15..1e15).contains(&seconds) {
            return None;
        }
        let whole = seconds.floor();
        let nanos = ((seconds - whole) * 1e9).round() as u32;
        let timestamp = Timestamp { seconds: whole as i64, nanos };
        Some(if nanos < 1_000_000_000 {
            timestamp
        } else {
            Timestamp { seconds: timestamp.seconds + 1, nanos: 0 }
        })
    }

    /// RFC 3339 text in UTC, with as many digits as are needed; `None` for years of more than four
    /// digits.
    pub fn text(self) -> Option<String> {
        if !(FIRST..END).contains(&self.seconds) {
            return None;
        }
        let mut text = self.to_second();
        if self.nanos > 0 {
            let fraction = format!(".{:09}", self.nanos);
            text.push_str(fraction.trim_end_matches('0'));
        }
        text.push('Z');
        Some(text)
    }

    /// RFC 3339 text in UTC, in milliseconds always: `2026-06-14T08:30:00.250Z`.
    pub fn millis_text(self) -> String {
        format!("{}.{:03}Z", self.to_second(), self.nanos / 1_000_000)
    }

    /// Up to the second, without a time zone.
    fn to_second(self) -> String {
        let (days, second) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }

    /// The point in time for the system's clock; `None` before 1970.
    pub fn system_time(self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.seconds).ok()?;
        UNIX_EPOCH.checked_add(Duration::new(seconds, self.nanos))
    }

    /// Reads RFC 3339 text of which nothing is lost: neither digits below a nanosecond nor a leap
    /// second, which the count of seconds does not have.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let fields = Fields::read(text)?;
        fields.is_exact().then(|| fields.timestamp())
    }

    /// Reads RFC 3339 text as well as it goes: digits below a nanosecond are dropped, and a leap
    /// second, or a day that its month does not have, is the one that follows.
    pub fn parse_nearest(text: &str) -> Option<Timestamp> {
        Some(Fields::read(text)?.timestamp())
    }
}

impl From<SystemTime> for Timestamp {
    /// The time by the system's clock; of a clock that is set to before 1970, its beginning.
    fn from(time: SystemTime) -> Timestamp {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() }
    }
}

/// An RFC 3339 text taken apart.
struct Fields<'a> {
    date: (i64, i64, i64),
    time: (i64, i64, i64),
    /// The digits behind the second.
    fraction: &'a [u8],
    /// Hours and minutes east of UTC.
    offset: (i64, i64),
}

impl Fields<'_> {
    fn read(text: &str) -> Option<Fields<'_>> {
        let bytes = text.as_bytes();
        let mark = |at: usize, marks: &[u8]| bytes.get(at).filter(|byte| marks.contains(byte));
        mark(4, b"-").and(mark(7, b"-")).and(mark(13, b":")).and(mark(16, b":"))?;
        mark(10, b"Tt ")?;
        let two = |at: usize| number(bytes.get(at..at + 2)?);
        let date @ (_, month, day) = (number(&bytes[..4])?, two(5)?, two(8)?);
        let time @ (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
        let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !is_date || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut rest = &bytes[19..];
        let mut fraction: &[u8] = &[];
        if let Some(behind) = rest.strip_prefix(b".") {
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (fraction, rest) = behind.split_at(digits);
            if digits == 0 {
                return None;
            }
        }
        let offset = match rest {
            b"Z" | b"z" => (0, 0),
            [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] if hours.len() == 2 => {
                let (hours, minutes) = (number(hours)?, number(&[*tens, *ones])?);
                if *sign == b'-' { (-hours, -minutes) } else { (hours, minutes) }
            }
            _ => return None,
        };
        Some(Fields { date, time, fraction, offset })
    }

    /// True if it is a point in time, and [`Timestamp`] has a number for it.
    fn is_exact(&self) -> bool {
        let (year, month, day) = self.date;
        // A day that a month does not have is one of another month.
        date(days(year, month, day)) == self.date
            && self.time.2 < 60
            && self.fraction.iter().skip(9).all(|digit| *digit == b'0')
            && self.offset.0.abs() < 24
            && self.offset.1.abs() < 60
    }

    fn timestamp(&self) -> Timestamp {
        let (year, month, day) = self.date;
        let (hour, minute, second) = self.time;
        let (hours, minutes) = self.offset;
        let minute = (hour - hours) * 60 + minute - minutes;
        let digits = self.fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
        Timestamp {
            seconds: days(year, month, day) * DAY + minute * 60 + second,
            nanos: digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')),
        }
    }
}

/// The number that these digits make.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

/// Days since 1970 of a date of the Gregorian calendar. The year is taken to begin in March, so
/// that the leap day ends it.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month < 3);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

/// The date of a day since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    (era * 400 + year + i64::from(month < 3), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_timestamps() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.5Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_363_896_240, 1, "2013-03-21T20:04:00.000000001Z"),
            (FIRST, 0, "0000-01-01T00:00:00Z"),
            (END - 1, 0, "9999-12-31T23:59:59Z"),
        ] {
            let timestamp = Timestamp { seconds, nanos };
            assert_eq!(timestamp.text().as_deref(), Some(text));
            assert_eq!(Timestamp::parse(text), Some(timestamp));
        }
        let shifted = Timestamp::parse("2013-03-21T22:04:00+02:00").unwrap();
        assert_eq!(shifted, Timestamp { seconds: 1_363_896_240, nanos: 0 });
        for bad in [
            "",
            "2013-03-21",
            "2013-13-21T20:04:00Z",
            "2013-03-21T20:04:00",
            "x",
            "2013-02-29T20:04:00Z",
            "1900-02-29T20:04:00Z",
            "2012-02-30T20:04:00Z",
            "2013-04-31T20:04:00Z",
            "2013-03-21T20:04:00+24:00",
            "2013-03-21T20:04:00-00:60",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        for good in ["2012-02-29T20:04:00Z", "2013-12-31T20:04:00+23:59"] {
            assert!(Timestamp::parse(good).is_some(), "{good}");
        }
        assert_eq!(Timestamp { seconds: END, nanos: 0 }.text(), None);
        assert_eq!(
            Timestamp::from_float(-0.5),
            Some(Timestamp { seconds: -1, nanos: 500_000_000 })
        );
        assert_eq!(Timestamp::from_float(f64::NAN), None);
    }

    #[test]
    fn points_in_time_of_the_systems_clock() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_234_567_890, "2009-02-13T23:31:30.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Timestamp::from(time).millis_text(), text);
            assert_eq!(Timestamp::parse_nearest(text).unwrap().system_time(), Some(time));
        }
        let earlier = Timestamp::parse("1969-12-31T23:59:59.999Z").unwrap();
        assert_eq!(earlier.system_time(), None);
        let same = Timestamp::parse_nearest("2009-02-14T01:31:30+02:00");
        assert_eq!(same, Timestamp::parse_nearest("2009-02-13T23:31:30Z"));
        assert_eq!(same, Timestamp::parse_nearest("2009-02-13 20:31:30.000-03:00"));
    }

    #[test]
    fn what_is_not_exact_has_a_nearest() {
        for (text, nearest) in [
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2026-06-14T08:30:00.1234567899Z", "2026-06-14T08:30:00.123456789Z"),
            ("2026-02-30T08:30:00Z", "2026-03-02T08:30:00Z"),
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
            assert_eq!(Timestamp::parse_nearest(text), Timestamp::parse(nearest), "{text}");
        }
        for bad in [
            "",
            "2009-02-13",
            "2009-13-13T00:00:00Z",
            "2009-02-13T23:31:30",
            "x".repeat(24).as_str(),
        ] {
            assert_eq!(Timestamp::parse_nearest(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_there_and_back(seconds in FIRST..END, nanos in 0..1_000_000_000_u32) {
            let timestamp = Timestamp { seconds, nanos };
            prop_assert_eq!(Timestamp::parse(&timestamp.text().unwrap()), Some(timestamp));
        }

        #[test]
        fn milliseconds_there_and_back(millis in 0..4_000_000_000_000u64) {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            let text = Timestamp::from(time).millis_text();
            prop_assert_eq!(Timestamp::parse_nearest(&text).unwrap().system_time(), Some(time));
        }

        #[test]
        fn parsing_never_panics(
            text in any::<String>(),
            more in "[0-9T:.+-Z]{0,40}",
            other in "[0-9T:.+Z ü-]{0,30}",
        ) {
            for text in [text, more, other] {
                let _ = (Timestamp::parse(&text), Timestamp::parse_nearest(&text));
            }
        }
    }
}
