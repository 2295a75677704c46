//! What the shared library shows to the loader: exactly the functions of the header, under its
//! lasting name.

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use support::{abi_list, compiler, good, library, soname, source};

#[test]
fn exactly_the_listed_symbols_are_exported() {
    let table = good(
        Command::new("nm").args(["-D", "--defined-only", "-P"]).arg(library().join("libwamp.so")),
    );
    let exported: BTreeSet<String> =
        table.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    assert_eq!(exported, listed(), "exported (left), and listed in tests/abi (right)");
    for name in &exported {
        assert!(name.starts_with("wamp_"), "{name} is not in our name space");
    }
}

#[test]
fn the_header_declares_exactly_the_listed_symbols() {
    let mut preprocess = compiler(false);
    let text = good(preprocess.args(["-E", "-P"]).arg(source("include/wamp.h")));
    assert_eq!(
        functions(&text),
        listed(),
        "declared in wamp.h (left), and listed in tests/abi (right)"
    );
}

#[test]
fn the_library_has_its_lasting_name_and_is_never_unloaded() {
    let dynamic =
        good(Command::new("readelf").args(["-d", "-W"]).arg(library().join("libwamp.so")));
    let entry = |tag: &str| dynamic.lines().find(|line| line.contains(tag));
    let name = entry("(SONAME)").expect("a SONAME");
    assert!(name.ends_with(&format!("[{}]", soname())), "{name}");
    let flags = entry("(FLAGS_1)").expect("flags");
    assert!(flags.contains("NODELETE"), "{flags}");
}

fn listed() -> BTreeSet<String> {
    abi_list("symbols").into_iter().collect()
}

/// The names that begin with wamp_ and are followed by a parenthesis: the functions of a
/// preprocessed header.
fn functions(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('(')
        .filter_map(|(at, _)| {
            let before = text[..at].trim_end();
            let name = before.rsplit(|c| !is_name(c)).next()?;
            name.starts_with("wamp_").then(|| name.to_owned())
        })
        .collect()
}
