//! include/wamp.json: it is what the source makes, agrees with the frozen lists, and is all that a
//! binding needs.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use serde_json::Value;
use support::{abi_list, good, library, read, source};

#[test]
fn the_description_is_fresh() {
    let made = fs::read_to_string(concat!(env!("WAMP_GENERATED"), "/wamp.json"))
        .expect("build.rs makes wamp.json");
    let place = source("include/wamp.json");
    if std::env::var_os("WAMP_UPDATE_HEADER").is_some() {
        let new = place.with_extension("json.new");
        fs::write(&new, &made).unwrap();
        fs::rename(&new, &place).unwrap();
    }
    assert!(
        fs::read_to_string(&place).unwrap_or_default() == made,
        "include/wamp.json is not what src/ffi makes; to renew it: WAMP_UPDATE_HEADER=1 cargo test --test description"
    );
}

#[test]
fn it_says_what_the_lists_say() {
    let whole = description();
    let names = |kind: &str| -> BTreeSet<String> {
        entries(&whole, kind).iter().map(|e| text(e, "name")).collect()
    };
    assert_eq!(names("functions"), abi_list("symbols").into_iter().collect(), "functions");
    let constants =
        entries(&whole, "constants").iter().map(|e| format!("{} {}", text(e, "name"), e["value"]));
    let listed: BTreeSet<String> = abi_list("constants").into_iter().collect();
    assert_eq!(constants.collect::<BTreeSet<_>>(), listed, "constants");
    let mut layout = Vec::new();
    for whole in entries(&whole, "structs") {
        let name = text(whole, "name");
        layout.push(format!("{name} {}", whole["size"]));
        for field in entries(whole, "fields") {
            layout.push(format!("{name}.{} {}", text(field, "name"), field["offset"]));
        }
    }
    assert_eq!(layout, abi_list("layout"), "structs");
    // Their order is that of the header, where what was added stands beside what it belongs to.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let listed = sorted(abi_list("functions"));
    assert_eq!(sorted(prototypes(&whole)), listed, "prototypes of functions and callbacks");
}

#[test]
fn everything_is_described() {
    let whole = description();
    for kind in ["constants", "uris", "handles", "structs", "callbacks", "functions"] {
        assert!(!entries(&whole, kind).is_empty(), "{kind}");
        for entry in entries(&whole, kind) {
            assert!(!text(entry, "doc").is_empty(), "{} has no text", entry["name"]);
        }
    }
    for function in entries(&whole, "functions") {
        let role = text(&function["returns"], "role");
        assert_eq!(function.get("statuses").is_some(), role.ends_with("status"), "{function}");
        let has =
            |wanted: &str| entries(function, "parameters").iter().any(|p| p["role"] == wanted);
        assert!(!has("free") || has("user_data"), "{}: nothing to free", function["name"]);
        assert!(!has("bytes") || has("size"), "{}: bytes without a size", function["name"]);
    }
}

/// A binding of the standard library's ctypes, which reads wamp.json alone, makes a call.
#[test]
fn it_is_all_that_a_binding_needs() {
    let mut binding = Command::new("python3");
    binding.arg(source("tests/description.py")).arg(source("include/wamp.json"));
    let said = good(binding.arg(library().join("libwamp.so")));
    assert!(said.ends_with("2 + 3 = 5\n"), "{said}");
}

fn description() -> Value {
    serde_json::from_str(&read("include/wamp.json")).expect("JSON")
}

fn entries<'v>(whole: &'v Value, kind: &str) -> &'v [Value] {
    whole[kind].as_array().unwrap_or_else(|| panic!("a list `{kind}`"))
}

fn text(entry: &Value, key: &str) -> String {
    entry[key].as_str().unwrap_or_else(|| panic!("a text `{key}` in {entry}")).to_owned()
}

/// A line for each function and each callback, as C declares it.
fn prototypes(whole: &Value) -> Vec<String> {
    let all = entries(whole, "callbacks").iter().chain(entries(whole, "functions"));
    let line = |entry: &Value| {
        let mut line = format!("{} {}(", text(&entry["returns"], "type"), text(entry, "name"));
        for (index, parameter) in entries(entry, "parameters").iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(line, "{comma}{} {}", text(parameter, "type"), text(parameter, "name")).unwrap();
        }
        line.replace("* ", "*") + ")"
    };
    all.map(line).collect()
}
