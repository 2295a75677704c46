//! Points in time, as MsgPack's timestamps and CBOR's tags 0 and 1 have them, and as RFC 3339 text.

/// A point in time: seconds since 1970, and nanoseconds after that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// May be negative.
    pub seconds: i64,
    /// Below a billion.
    pub nanos: u32,
}

const DAY: i64 = 86_400;
/// The years 0000 and 10000 begin here.
const FIRST: i64 = -62_167_219_200;
const END: i64 = 253_402_300_800;

impl Moment {
    /// Of seconds with a fraction; `None` for what is beyond all calendars.
    pub fn of_float(seconds: f64) -> Option<Moment> {
        if !(-1e15..1e15).contains(&seconds) {
            return None;
        }
        let whole = seconds.floor();
        let nanos = ((seconds - whole) * 1e9).round() as u32;
        let moment = Moment { seconds: whole as i64, nanos };
        Some(if nanos < 1_000_000_000 {
            moment
        } else {
            Moment { seconds: moment.seconds + 1, nanos: 0 }
        })
    }

    /// As RFC 3339 text in UTC; `None` for years of more than four digits.
    pub fn text(self) -> Option<String> {
        if !(FIRST..END).contains(&self.seconds) {
            return None;
        }
        let (days, second) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.nanos > 0 {
            let fraction = format!(".{:09}", self.nanos);
            text.push_str(fraction.trim_end_matches('0'));
        }
        text.push('Z');
        Some(text)
    }

    /// Of RFC 3339 text.
    pub fn parse(text: &str) -> Option<Moment> {
        let bytes = text.as_bytes();
        let number = |at: usize, len: usize| -> Option<i64> {
            let digits = bytes.get(at..at + len)?;
            digits.iter().try_fold(0, |sum, digit| {
                digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
            })
        };
        let mark = |at: usize, marks: &[u8]| bytes.get(at).filter(|byte| marks.contains(byte));
        mark(4, b"-").and(mark(7, b"-")).and(mark(13, b":")).and(mark(16, b":"))?;
        mark(10, b"Tt ")?;
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        let since = days(year, month, day);
        // A day that a month does not have is one of another month.
        let real = date(since) == (year, month, day);
        // Second 60, a leap second, is one that the count of seconds does not have.
        if !real || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (mut at, mut nanos) = (19, 0);
        if mark(at, b".").is_some() {
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let kept = digits.min(9);
            if bytes[at + 1 + kept..at + 1 + digits].iter().any(|digit| *digit != b'0') {
                return None;
            }
            nanos = number(at + 1, kept)? as u32 * 10_u32.pow(9 - kept as u32);
            at += 1 + digits;
        }
        let offset = match bytes.get(at)? {
            b'Z' | b'z' => {
                at += 1;
                0
            }
            sign @ (b'+' | b'-') => {
                mark(at + 3, b":")?;
                let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                at += 6;
                let offset = hours * 3600 + minutes * 60;
                if *sign == b'-' { -offset } else { offset }
            }
            _ => return None,
        };
        if at != bytes.len() {
            return None;
        }
        let seconds = since * DAY + hour * 3600 + minute * 60 + second - offset;
        Some(Moment { seconds, nanos })
    }
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
    fn known_moments() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.5Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_363_896_240, 1, "2013-03-21T20:04:00.000000001Z"),
            (FIRST, 0, "0000-01-01T00:00:00Z"),
            (END - 1, 0, "9999-12-31T23:59:59Z"),
        ] {
            let moment = Moment { seconds, nanos };
            assert_eq!(moment.text().as_deref(), Some(text));
            assert_eq!(Moment::parse(text), Some(moment));
        }
        let shifted = Moment::parse("2013-03-21T22:04:00+02:00").unwrap();
        assert_eq!(shifted, Moment { seconds: 1_363_896_240, nanos: 0 });
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
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
        for good in ["2012-02-29T20:04:00Z", "2013-12-31T20:04:00+23:59"] {
            assert!(Moment::parse(good).is_some(), "{good}");
        }
        assert_eq!(Moment { seconds: END, nanos: 0 }.text(), None);
        assert_eq!(Moment::of_float(-0.5), Some(Moment { seconds: -1, nanos: 500_000_000 }));
        assert_eq!(Moment::of_float(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn text_there_and_back(seconds in FIRST..END, nanos in 0..1_000_000_000_u32) {
            let moment = Moment { seconds, nanos };
            prop_assert_eq!(Moment::parse(&moment.text().unwrap()), Some(moment));
        }

        #[test]
        fn parsing_never_panics(text in any::<String>(), more in "[0-9T:.+-Z]{0,40}") {
            let _ = (Moment::parse(&text), Moment::parse(&more));
        }
    }
}
