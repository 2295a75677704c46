//! The options of requests as far as a session acts on them; all others are the router's business.

use std::time::Duration;

use crate::codec::Dict;

use super::error::RequestError;
use super::uri::Match;

/// The `match` option of a SUBSCRIBE or REGISTER.
pub fn matching(options: Dict<'_>) -> Result<Match, RequestError> {
    let wrong = RequestError::Option("match", "must be \"exact\", \"prefix\" or \"wildcard\"");
    match options.text("match").map_err(|_| wrong)? {
        None => Ok(Match::Exact),
        Some(name) => Match::parse(&name).ok_or(wrong),
    }
}

/// The options of a CALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CallOptions {
    /// Progressive results are welcome.
    pub(super) receive_progress: bool,
    /// More input follows.
    pub(super) more_input: bool,
    /// The time until a result, and between two.
    pub(super) timeout: Option<Duration>,
}

impl CallOptions {
    /// Reads the options of a call.
    pub(super) fn read(options: Dict<'_>) -> Result<CallOptions, RequestError> {
        if options.is_empty() {
            return Ok(CallOptions::default());
        }
        Ok(CallOptions {
            receive_progress: options
                .bool("receive_progress")
                .map_err(|_| RequestError::Option("receive_progress", "must be a bool"))?
                .unwrap_or(false),
            more_input: more_input(options)?,
            timeout: timeout(options)?,
        })
    }
}

/// The option `progress` of a CALL.
pub(super) fn more_input(options: Dict<'_>) -> Result<bool, RequestError> {
    let progress = options.bool("progress");
    progress
        .map(|progress| progress.unwrap_or(false))
        .map_err(|_| RequestError::Option("progress", "must be a bool"))
}

/// The option `timeout` of a call: milliseconds, 0 for none.
fn timeout(options: Dict<'_>) -> Result<Option<Duration>, RequestError> {
    let wrong = RequestError::Option("timeout", "must be a whole number of milliseconds");
    let timeout = options.uint("timeout").map_err(|_| wrong)?;
    Ok(timeout.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms.min(MAX_TIMEOUT_MS))))
}

/// A century: so that no sum overflows.
const MAX_TIMEOUT_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// The modes of a cancellation: how far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelMode {
    /// The callee goes on, its answer is ignored.
    Skip,
    /// The callee is interrupted, and its answer awaited.
    Kill,
    /// The callee is interrupted, its answer is ignored.
    KillNoWait,
}

impl CancelMode {
    /// Reads the value of the `mode` option; `None` for an unknown one.
    pub fn parse(text: &str) -> Option<CancelMode> {
        match text {
            "skip" => Some(CancelMode::Skip),
            "kill" => Some(CancelMode::Kill),
            "killnowait" => Some(CancelMode::KillNoWait),
            _ => None,
        }
    }

    /// The value of the `mode` option.
    pub fn name(self) -> &'static str {
        match self {
            CancelMode::Skip => "skip",
            CancelMode::Kill => "kill",
            CancelMode::KillNoWait => "killnowait",
        }
    }

    /// Reads the `mode` of a CANCEL's options; without one [`CancelMode::KillNoWait`].
    pub fn from_options(options: Dict<'_>) -> Result<CancelMode, RequestError> {
        let wrong = RequestError::Option("mode", "must be \"skip\", \"kill\" or \"killnowait\"");
        match options.text("mode").map_err(|_| wrong)? {
            None => Ok(CancelMode::KillNoWait),
            Some(name) => CancelMode::parse(&name).ok_or(wrong),
        }
    }

    /// The options of a CANCEL, or of an INTERRUPT.
    pub(super) fn to_options(self) -> Dict<'static> {
        Dict::from_checked(match self {
            CancelMode::Skip => br#"{"mode":"skip"}"#,
            CancelMode::Kill => br#"{"mode":"kill"}"#,
            CancelMode::KillNoWait => br#"{"mode":"killnowait"}"#,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_survive_the_way_there_and_back() {
        for mode in [CancelMode::Skip, CancelMode::Kill, CancelMode::KillNoWait] {
            assert_eq!(CancelMode::parse(mode.name()), Some(mode));
            assert_eq!(CancelMode::from_options(mode.to_options()), Ok(mode));
        }
        assert_eq!(CancelMode::from_options(Dict::EMPTY), Ok(CancelMode::KillNoWait));
        for wrong in [&br#"{"mode":"no"}"#[..], br#"{"mode":1}"#] {
            assert!(CancelMode::from_options(Dict::from_checked(wrong)).is_err());
        }
    }
}
