//! Selections from the events of a history: the keyword arguments of
//! `wamp.subscription.get_events`.

use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::codec::Timestamp;
use crate::protocol::uri::{self, Match};

use super::super::options::whole;
use super::super::request::Fault;

/// A selection from the events of a history.
#[derive(Debug, Default)]
pub(in crate::router) struct Query {
    pub(super) limit: Option<usize>,
    pub(super) reverse: bool,
    pub(super) topic: Option<String>,
    /// `from`, `after`, `before`, `until`, in times and in publications.
    pub(super) times: [Option<SystemTime>; 4],
    pub(super) publications: [Option<u64>; 4],
}

/// The names of the limits of a [`Query`].
const BOUNDS: [&str; 4] = ["from", "after", "before", "until"];

impl Query {
    /// Reads the kwargs of `wamp.subscription.get_events`.
    pub(in crate::router) fn read(kwargs: &Map<String, Value>) -> Result<Query, Fault> {
        let mut query = Query::default();
        for (key, value) in kwargs.iter().filter(|(_, value)| !value.is_null()) {
            let wrong = |wanted: &str| {
                let why = format!("\"{key}\" must be {wanted}");
                Fault::refused(uri::INVALID_ARGUMENT, why)
            };
            match key.as_str() {
                "limit" => {
                    let limit = value.as_number().and_then(whole).filter(|limit| *limit > 0);
                    let limit = limit.ok_or_else(|| wrong("a whole number above 0"))?;
                    query.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
                }
                "reverse" => {
                    query.reverse = value.as_bool().ok_or_else(|| wrong("true or false"))?;
                }
                "topic" => {
                    let topic =
                        value.as_str().filter(|topic| uri::check(topic, Match::Exact).is_ok());
                    query.topic = Some(topic.ok_or_else(|| wrong("a topic"))?.to_owned());
                }
                _ => {
                    let Some((bound, kind)) = key.split_once('_') else { continue };
                    let Some(at) = BOUNDS.iter().position(|name| *name == bound) else { continue };
                    if kind == "time" {
                        let time = value.as_str().and_then(Timestamp::parse_nearest);
                        let time = time.and_then(Timestamp::system_time);
                        let time = time.ok_or_else(|| wrong("a time as of RFC 3339"))?;
                        query.times[at] = Some(time);
                    } else if kind == "publication" {
                        let id = value.as_number().and_then(whole);
                        query.publications[at] = Some(id.ok_or_else(|| wrong("a publication id"))?);
                    }
                }
            }
        }
        Ok(query)
    }
}

/// True if `at` is between the bounds.
pub(super) fn is_within<T: PartialOrd + Copy>(
    [from, after, before, until]: &[Option<T>; 4],
    at: T,
) -> bool {
    from.is_none_or(|from| at >= from)
        && after.is_none_or(|after| at > after)
        && before.is_none_or(|before| at < before)
        && until.is_none_or(|until| at <= until)
}
