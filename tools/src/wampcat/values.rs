//! Arguments as people write and read them: words of a command line, lines of a terminal.
//!
//! Values are never taken apart: a number with thirty digits comes out as it went in.

use std::fmt;
use std::io::Read;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use wamp::facade::client::Parts;
use wamp_tools::Failure;

use crate::cli::Words;

/// The payload that a command line gives.
pub fn parts(words: &Words) -> Result<Parts, Failure> {
    if words.args.is_some() || words.kwargs.is_some() {
        return whole(words.args.as_deref(), words.kwargs.as_deref());
    }
    let (mut args, mut kwargs) = (Vec::new(), Vec::new());
    for word in &words.words {
        match keyword(word) {
            Some((name, value)) => {
                kwargs.push(format!("{}:{}", quoted(name), value_of(value, words.strings)));
            }
            None => args.push(value_of(word, words.strings)),
        }
    }
    Ok(Parts {
        args: (!args.is_empty()).then(|| format!("[{}]", args.join(","))),
        kwargs: (!kwargs.is_empty()).then(|| format!("{{{}}}", kwargs.join(","))),
    })
}

/// The same with one more argument.
pub fn with_argument(parts: &Parts, word: &str, strings: bool) -> Parts {
    let value = value_of(word, strings);
    let args = match parts.args.as_deref().and_then(|args| args.strip_suffix(']')) {
        Some("[") | None => format!("[{value}]"),
        Some(before) => format!("{before},{value}]"),
    };
    Parts { args: Some(args), kwargs: parts.kwargs.clone() }
}

/// A word as JSON: as it is where it is JSON, or as a text.
pub fn value_of(word: &str, strings: bool) -> String {
    match serde_json::from_str::<&RawValue>(word) {
        Ok(value) if !strings => value.get().to_owned(),
        _ => quoted(word),
    }
}

/// The name and the value of a keyword argument. `http://x?a=b` is none.
fn keyword(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    let is_name = name.starts_with(is_start)
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    is_name.then_some((name, value))
}

fn whole(args: Option<&str>, kwargs: Option<&str>) -> Result<Parts, Failure> {
    if (args, kwargs) == (Some("-"), Some("-")) {
        return Err(Failure::usage("only one of --args and --kwargs can be '-'"));
    }
    let read = |text: &str| match text {
        "-" => {
            let mut input = String::new();
            let read = std::io::stdin().read_to_string(&mut input);
            read.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
            Ok(input)
        }
        text => Ok(text.to_owned()),
    };
    let args = args.map(read).transpose()?;
    let kwargs = kwargs.map(read).transpose()?;
    let wrong = |name, error| Failure::usage(format!("{name}: {error}"));
    if let Some(args) = &args {
        let list = serde_json::from_str::<Vec<&RawValue>>(args);
        list.map_err(|error| wrong("--args must be a JSON list", error))?;
    }
    if let Some(kwargs) = &kwargs {
        let object = serde_json::from_str::<Pairs>(kwargs);
        object.map_err(|error| wrong("--kwargs must be a JSON object", error))?;
    }
    Ok(Parts { args, kwargs })
}

/// A payload as it is shown: values as JSON text without white space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub args: Vec<String>,
    pub kwargs: Vec<(String, String)>,
}

impl Shown {
    /// Takes a payload apart.
    pub fn new(parts: &Parts) -> Shown {
        let args = parts.args.as_deref().map(serde_json::from_str::<Vec<&RawValue>>);
        let kwargs = parts.kwargs.as_deref().map(serde_json::from_str::<Pairs>);
        // Args that are no list are a binary, by payload passthru.
        let args = match args {
            Some(Ok(list)) => list.iter().map(|value| compact(value.get())).collect(),
            Some(Err(_)) => parts.args.iter().map(|text| compact(text)).collect(),
            None => Vec::new(),
        };
        let kwargs = kwargs.and_then(Result::ok).unwrap_or_default().0;
        let kwargs = kwargs.iter().map(|(name, value)| (name.clone(), compact(value.get())));
        Shown { args, kwargs: kwargs.collect() }
    }

    /// The words, each argument and then each `name=value`. If `raw`, texts have no quotes.
    pub fn words(&self, raw: bool) -> Vec<String> {
        let value = |text: &String| if raw { bare(text) } else { text.clone() };
        let args = self.args.iter().map(value);
        let kwargs =
            self.kwargs.iter().map(|(name, text)| format!("{}={}", plain(name), value(text)));
        args.chain(kwargs).collect()
    }

    /// `"args":[...],"kwargs":{...}`, the inside of a JSON object.
    pub fn members(&self) -> String {
        let pairs = self.kwargs.iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
        let kwargs = pairs.collect::<Vec<_>>().join(",");
        format!("\"args\":[{}],\"kwargs\":{{{kwargs}}}", self.args.join(","))
    }
}

/// A text without its quotes; anything else as it is. Control characters of others do not reach the
/// terminal, but for the end of a line and the tabulator.
pub fn bare(json: &str) -> String {
    match serde_json::from_str::<String>(json) {
        Ok(text) => text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect(),
        Err(_) => json.to_owned(),
    }
}

/// A text of somebody else as a part of a line: without control characters.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    compact(&Value::from(text).to_string())
}

/// JSON without white space, on one line, and without characters that move a terminal's cursor.
pub fn compact(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut is_inside, mut is_escaped) = (false, false);
    for c in json.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_inside => is_escaped = true,
            '"' => is_inside = !is_inside,
            ' ' | '\t' | '\n' | '\r' if !is_inside => continue,
            _ => {}
        }
        match c.is_control() {
            true => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => line.push(c),
        }
    }
    line
}

/// An object's members, in their order, values as they are.
#[derive(Debug, Default)]
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], strings: bool) -> (Option<String>, Option<String>) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let parts = parts(&Words { words, strings, args: None, kwargs: None }).unwrap();
        (parts.args, parts.kwargs)
    }

    #[test]
    fn words_are_json_where_they_are_json() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(parse(&[], false), (None, None));
        let words = ["1", "a", "\"1\"", "-1.50", "[1, 2]", "true", "", "http://x?a=b", "{", "1e3"];
        let args = r#"[1,"a","1",-1.50,[1, 2],true,"","http://x?a=b","{",1e3]"#;
        assert_eq!(parse(&words, false), (text(args), None));
        let big = "123456789012345678901234567890";
        assert_eq!(parse(&[big], false).0, Some(format!("[{big}]")));
        assert_eq!(parse(&["k=1", "l=x y"], false), (None, text(r#"{"k":1,"l":"x y"}"#)));
        assert_eq!(parse(&["1", "k=1"], true), (text(r#"["1"]"#), text(r#"{"k":"1"}"#)));
    }

    #[test]
    fn a_line_is_added_to_what_there_is() {
        let none = Parts::default();
        assert_eq!(with_argument(&none, "x", false).args.unwrap(), r#"["x"]"#);
        let one = Parts { args: Some("[1]".to_owned()), kwargs: None };
        assert_eq!(with_argument(&one, "2", false).args.unwrap(), "[1,2]");
        let empty = Parts { args: Some("[]".to_owned()), kwargs: None };
        assert_eq!(with_argument(&empty, "2", true).args.unwrap(), r#"["2"]"#);
    }

    #[test]
    fn what_others_send_stays_on_its_line() {
        assert_eq!(compact("[ 1,\n\t\"a b\\\" \\\\\" ]"), "[1,\"a b\\\" \\\\\"]");
        assert_eq!(compact("\"\u{9b}2J\u{7f}\""), "\"\\u009b2J\\u007f\"");
        assert_eq!(bare("\"a\\u001b[2J\\nb\""), "a[2J\nb");
        assert_eq!(bare("12"), "12");
        let parts = Parts {
            args: Some("[1, {\"b\": 1, \"a\": 2}, \"t\"]".to_owned()),
            kwargs: Some("{\"z\": 1.10, \"a\": \"x\"}".to_owned()),
        };
        let shown = Shown::new(&parts);
        assert_eq!(shown.words(false), ["1", r#"{"b":1,"a":2}"#, "\"t\"", "z=1.10", "a=\"x\""]);
        assert_eq!(shown.words(true)[2..], ["t", "z=1.10", "a=x"]);
        let members = r#""args":[1,{"b":1,"a":2},"t"],"kwargs":{"z":1.10,"a":"x"}"#;
        assert_eq!(shown.members(), members);
    }
}
