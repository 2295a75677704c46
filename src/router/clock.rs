//! Points in time as texts (RFC 3339), which is how the meta API speaks of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in UTC and milliseconds: `2026-06-14T08:30:00.250Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Reads such a text, with any offset from UTC; `None` if it is none, or before 1970.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let digits = |from: usize, to: usize| -> Option<u64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let stands = |at: usize, wanted: &[u8]| wanted.contains(&bytes[at].to_ascii_uppercase());
    let separated = stands(4, b"-") && stands(7, b"-") && stands(13, b":") && stands(16, b":");
    if !separated || !stands(10, b"T ") {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let real = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !real || year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = &text[19..];
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit())?;
        let shown = &fraction[..end.min(9)];
        nanos = shown.parse::<u32>().ok()? * 10u32.pow(9 - shown.len() as u32);
        rest = &fraction[end..];
    }
    let local = day_number(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let utc = local.checked_add_signed(-offset(rest)?)?;
    Some(UNIX_EPOCH + Duration::new(utc, nanos))
}

/// Seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let number = |part: &str| -> Option<i64> {
        (part.len() == 2).then(|| part.parse::<u8>().ok()).flatten().map(i64::from)
    };
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// The date of a day, counted from 1970. Years begin in March here, so that the leap day is the
/// last one; 400 of them have 146097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day_of_month)
}

/// The other way round.
fn day_number(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year / 400, year % 400);
    let day = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_points_in_time() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_234_567_890, "2009-02-13T23:31:30.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(time), text);
            assert_eq!(parse(text), Some(time));
        }
        let same = parse("2009-02-14T01:31:30+02:00");
        assert_eq!(same, parse("2009-02-13T23:31:30Z"));
        assert_eq!(same, parse("2009-02-13 20:31:30.000-03:00"));
        for bad in [
            "",
            "2009-02-13",
            "2009-13-13T00:00:00Z",
            "2009-02-13T23:31:30",
            "x".repeat(24).as_str(),
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(millis in 0..4_000_000_000_000u64) {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            prop_assert_eq!(parse(&timestamp(time)), Some(time));
        }

        #[test]
        fn reading_never_panics(text in "[0-9T:.+Z ü-]{0,30}") {
            let _ = parse(&text);
        }
    }
}
