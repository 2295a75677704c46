//! The options of requests, as the specification and the routers know them: a wrong type is refused
//! here, and so is a name that looks like a misspelling of one that the request knows. All else
//! goes to the router as it is. What the values mean is left to [`crate::protocol`].

use serde_json::Value;

use crate::codec::Dict;

use super::status::{Failure, Status};

/// The requests that have options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named like the messages")]
pub enum Request {
    Subscribe,
    Publish,
    Register,
    Call,
    Cancel,
    Yield,
}

/// The type of an option's value.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Bool,
    Text,
    /// A whole number, not negative.
    Uint,
    /// A list of session ids.
    Ids,
    Texts,
    List,
}

use Kind::{Bool, Ids, List, Text, Texts, Uint};

type Known = (&'static str, Kind);

const PASSTHRU: &[Known] = &[
    ("ppt_scheme", Text),
    ("ppt_serializer", Text),
    ("ppt_cipher", Text),
    ("ppt_keyid", Text),
    ("enc_algo", Text),
    ("enc_serializer", Text),
    ("enc_key", Text),
    ("forward_for", List),
];

impl Request {
    /// Its own options; [`PASSTHRU`] beside them where it has a payload.
    fn own(self) -> &'static [Known] {
        match self {
            Request::Subscribe => {
                &[("match", Text), ("get_retained", Bool), ("nkey", Text), ("forward_for", List)]
            }
            Request::Publish => &[
                ("acknowledge", Bool),
                ("exclude_me", Bool),
                ("exclude", Ids),
                ("exclude_authid", Texts),
                ("exclude_authrole", Texts),
                ("eligible", Ids),
                ("eligible_authid", Texts),
                ("eligible_authrole", Texts),
                ("disclose_me", Bool),
                ("retain", Bool),
                ("rkey", Text),
            ],
            Request::Register => &[
                ("match", Text),
                ("invoke", Text),
                ("concurrency", Uint),
                ("disclose_caller", Bool),
                ("force_reregister", Bool),
                ("forward_for", List),
            ],
            Request::Call => &[
                ("receive_progress", Bool),
                ("progress", Bool),
                ("timeout", Uint),
                ("disclose_me", Bool),
                ("rkey", Text),
                ("runmode", Text),
            ],
            Request::Cancel => &[("mode", Text), ("forward_for", List)],
            Request::Yield => &[("progress", Bool)],
        }
    }

    fn known(self) -> impl Iterator<Item = &'static Known> {
        let passthru: &[Known] = match self {
            Request::Publish | Request::Call | Request::Yield => PASSTHRU,
            Request::Subscribe | Request::Register | Request::Cancel => &[],
        };
        self.own().iter().chain(passthru)
    }

    /// Refuses options of a wrong type, and misspelt ones.
    pub fn check(self, options: Dict<'_>) -> Result<(), Failure> {
        if options.is_empty() {
            return Ok(());
        }
        for (name, value) in options.entries() {
            let wrong = |text: String| {
                let name = String::from_utf8_lossy(name);
                Err(Failure::new(Status::Option, format!("option `{name}`: {text}")))
            };
            match self.known().find(|(known, _)| known.as_bytes() == name) {
                Some((_, kind)) if kind.takes(value) => {}
                Some((_, kind)) => return wrong(kind.demand().to_owned()),
                None => {
                    if let Some(meant) = self.meant(name) {
                        return wrong(format!(
                            "did you mean `{meant}`? (The connection option \"strict_options\": \
                             false passes it on unchanged.)"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The known option that an unknown name looks like. Those that begin with `_` are extensions.
    fn meant(self, name: &[u8]) -> Option<&'static str> {
        let name = std::str::from_utf8(name).ok().filter(|name| !name.starts_with('_'))?;
        let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
        let given = plain(name);
        // Of several that are as near, the one that is nearest as it was written.
        let distance = |known| {
            let plainly = strsim::damerau_levenshtein(&given, &plain(known));
            (plainly, strsim::damerau_levenshtein(name, known), known)
        };
        let nearest = self.known().map(|(known, _)| distance(known)).min();
        nearest.filter(|(plainly, ..)| *plainly <= 1).map(|(.., known)| known)
    }
}

impl Kind {
    /// True if a value, which is valid JSON, has this type. Null has each: it says that nothing is
    /// given.
    fn takes(self, value: &[u8]) -> bool {
        if value == b"null" {
            return true;
        }
        match self {
            Bool => matches!(value, b"true" | b"false"),
            Text => value.starts_with(b"\""),
            List => value.starts_with(b"["),
            Uint => serde_json::from_slice(value).is_ok_and(|value| is_whole(&value)),
            Ids => all(value, is_whole),
            Texts => all(value, Value::is_string),
        }
    }

    fn demand(self) -> &'static str {
        match self {
            Bool => "must be true or false",
            Text => "must be a string",
            Uint => "must be a whole number, not negative",
            Ids => "must be a list of session ids",
            Texts => "must be a list of strings",
            List => "must be a list",
        }
    }
}

fn all(list: &[u8], is: fn(&Value) -> bool) -> bool {
    serde_json::from_slice::<Vec<Value>>(list).is_ok_and(|list| list.iter().all(is))
}

/// Languages with one kind of numbers write whole ones as floats.
fn is_whole(value: &Value) -> bool {
    value.is_u64() || value.as_f64().is_some_and(|value| value >= 0.0 && value.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [Request; 6] = [
        Request::Subscribe,
        Request::Publish,
        Request::Register,
        Request::Call,
        Request::Cancel,
        Request::Yield,
    ];

    fn check(request: Request, options: &str) -> Result<(), String> {
        request.check(Dict::from_checked(options.as_bytes())).map_err(|failure| {
            assert_eq!(failure.status, Status::Option);
            failure.text
        })
    }

    #[test]
    fn every_option_of_every_request_has_its_type() {
        let right = |kind| match kind {
            Bool => &["true", "false"][..],
            Text => &["\"\"", "\"x\""],
            Uint => &["0", "1", "5.0", "9007199254740992"],
            Ids => &["[]", "[1, 9007199254740992]", "[2.0]"],
            Texts => &["[]", "[\"a\", \"\"]"],
            List => &["[]", "[{\"session\": 1}]"],
        };
        let values = [
            "null",
            "0",
            "1",
            "-1",
            "1.5",
            "5.0",
            "1e3",
            "true",
            "false",
            "\"\"",
            "\"x\"",
            "[]",
            "[1]",
            "[-1]",
            "[1.5]",
            "[null]",
            "[\"a\"]",
            "[1, \"a\"]",
            "{}",
            "{\"a\": 1}",
        ];
        let shapes = |kind| match kind {
            Bool => vec!["null", "true", "false"],
            Text => vec!["null", "\"\"", "\"x\""],
            Uint => vec!["null", "0", "1", "5.0", "1e3"],
            Ids => vec!["null", "[]", "[1]"],
            Texts => vec!["null", "[]", "[\"a\"]"],
            List => {
                vec!["null", "[]", "[1]", "[-1]", "[1.5]", "[null]", "[\"a\"]", "[1, \"a\"]"]
            }
        };
        for request in REQUESTS {
            for (name, kind) in request.known() {
                for value in right(*kind) {
                    assert_eq!(check(request, &format!("{{\"{name}\": {value}}}")), Ok(()));
                }
                for value in values {
                    let refused = check(request, &format!("{{\"a\": 1, \"{name}\": {value}}}"));
                    let fits = shapes(*kind).contains(&value);
                    assert_eq!(refused.is_ok(), fits, "{request:?} {name} {value}");
                    assert!(refused.is_ok() || refused.unwrap_err().contains(name));
                }
            }
        }
    }

    #[test]
    fn a_misspelling_is_told_the_right_name() {
        for (request, wrong, right) in [
            (Request::Publish, "excludeMe", "exclude_me"),
            (Request::Publish, "exclude-me", "exclude_me"),
            (Request::Publish, "EXCLUDE_ME", "exclude_me"),
            (Request::Publish, "exclud_me", "exclude_me"),
            (Request::Publish, "exclude_mee", "exclude_me"),
            (Request::Publish, "excldue_me", "exclude_me"),
            (Request::Publish, "acknowlege", "acknowledge"),
            (Request::Publish, "eligibleAuthid", "eligible_authid"),
            (Request::Publish, "pptScheme", "ppt_scheme"),
            (Request::Call, "receiveProgress", "receive_progress"),
            (Request::Call, "time_out", "timeout"),
            (Request::Subscribe, "Match", "match"),
            (Request::Register, "invoked", "invoke"),
            (Request::Cancel, "Mode", "mode"),
            (Request::Yield, "progres", "progress"),
        ] {
            let refused = check(request, &format!("{{\"{wrong}\": 1}}")).unwrap_err();
            assert!(refused.contains(&format!("`{wrong}`")), "{refused}");
            assert!(refused.contains(&format!("did you mean `{right}`")), "{refused}");
        }
    }

    #[test]
    fn what_the_library_does_not_know_goes_to_the_router() {
        for options in [
            "{}",
            "{\"x_note\": [1], \"_exclude_me\": 1, \"_match\": 5}",
            "{\"correlation_id\": \"a\", \"transaction_hash\": null, \"priority\": 5}",
            // Of another request: nothing that this one knows looks like it.
            "{\"concurrency_limit\": 1, \"\": 0}",
        ] {
            for request in REQUESTS {
                assert_eq!(check(request, options), Ok(()), "{request:?} {options}");
            }
        }
        assert_eq!(check(Request::Cancel, "{\"exclude_me\": 0}"), Ok(()));
        // Known names are never misspellings of each other.
        for request in REQUESTS {
            for (name, _) in request.known() {
                assert_eq!(request.known().filter(|known| known.0 == *name).count(), 1);
            }
        }
    }
}
