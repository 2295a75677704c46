//! Debug builds only: no function answers a status that its comment in wamp.h does not list.

use std::ops::RangeInclusive;
use std::panic::Location;

use crate::client::Status;

/// The place of an exported function, its name, and a bit for each status that it may answer.
type Entry = (&'static str, RangeInclusive<u32>, &'static str, u64);

/// Made by build.rs of the comments.
const TABLE: &[Entry] = include!(concat!(env!("OUT_DIR"), "/statuses.rs"));

/// Ends the process, and says why, if the function that calls the guard at `place` may not answer
/// `status`. (A panic could not leave it either.)
pub(super) fn check(status: Status, place: &Location<'_>) {
    if let Err(why) = allowed(status, place.file(), place.line()) {
        eprintln!("libwamp: {place}: {why}");
        std::process::abort();
    }
}

fn allowed(status: Status, file: &str, line: u32) -> Result<(), String> {
    // Those of every function.
    if matches!(status, Status::Forked | Status::Internal) {
        return Ok(());
    }
    let stem = file.rsplit(['/', '\\']).next().and_then(|name| name.strip_suffix(".rs"));
    let place = TABLE.iter().find(|(file, lines, ..)| Some(*file) == stem && lines.contains(&line));
    let Some((_, _, name, set)) = place else {
        return Err("the guard belongs in an exported function; helpers are `track_caller`".into());
    };
    let bit = 1 << (status as i32).unsigned_abs();
    match set & bit {
        0 => Err(format!(
            "{name} answers {}, which its list in wamp.h lacks",
            status.name().trim_end_matches('\0')
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_lists_its_statuses() {
        assert!(TABLE.len() > 100, "the functions were not found");
        for (_, _, name, set) in TABLE {
            let has_no_failures = ["wamp_value_bool", "wamp_value_int", "wamp_value_type"];
            assert!(*set != 0 || has_no_failures.contains(name), "{name} lists no status");
            // A name that is no constant of wamp.h has this bit.
            assert!(*set == u64::MAX || set >> 63 == 0, "{name} lists what is no status");
        }
    }

    #[test]
    fn a_status_that_is_not_listed_is_found() {
        let (file, lines, name, _) =
            TABLE.iter().find(|entry| entry.2 == "wamp_connection_free").unwrap();
        let file = format!("src/ffi/{file}.rs");
        assert_eq!(allowed(Status::Handle, &file, *lines.start()), Ok(()));
        assert_eq!(allowed(Status::Forked, &file, *lines.end()), Ok(()));
        let refused = allowed(Status::Tls, &file, *lines.end()).unwrap_err();
        assert!(refused.contains(name) && refused.contains("WAMP_ERR_TLS"), "{refused}");
        assert!(allowed(Status::Handle, &file, 1).is_err(), "outside of all functions");
    }

    /// Lists that lead to another function's hold that one's statuses, through several steps too.
    #[test]
    fn references_are_followed() {
        let set = |name: &str| TABLE.iter().find(|entry| entry.2 == name).unwrap().3;
        let (call, call_sync) = (set("wamp_session_call"), set("wamp_session_call_sync"));
        assert_eq!(call & !call_sync, 0);
        let remote = 1 << (Status::Remote as i32).unsigned_abs();
        assert_eq!((call & remote, call_sync & remote), (0, remote));
        let (open, close) = (set("wamp_connection_on_open"), set("wamp_connection_on_close"));
        assert!(open != 0 && open & !close == 0);
    }
}
