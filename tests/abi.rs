//! The lists of tests/abi: those of this version's interface are frozen, and what was added since
//! says when.

mod support;

use std::fmt::Write;

use sha2::{Digest, Sha256};
use support::{abi_version, list, read};

/// The frozen lists, and their checksums. A list that differs is another interface, which needs
/// another minor version.
const FROZEN: &[(&str, &str)] = &[
    ("symbols", "11a7329cc31116ce14c258e3c2b8d625ddfabfb3eef68bb9731dd944de187327"),
    ("constants", "c34729824ccbb03ee47b2ddfec816e9a4c48e0cd49a9a0d7b682fa4336cc8eac"),
    ("functions", "9e26d6a5f967957f738dda1940ee9271babd6419558875b4b40c7c320ce9a9b3"),
    ("layout", "cf816c921c37d47551bc40ba2cc3137e7aa56d3806d927c9f52ee00e861e76aa"),
];

#[test]
fn the_lists_are_frozen() {
    for (name, frozen) in FROZEN {
        let path = format!("tests/abi/{}/{name}.txt", abi_version());
        let mut checksum = String::new();
        for byte in Sha256::digest(read(&path)) {
            write!(checksum, "{byte:02x}").unwrap();
        }
        assert_eq!(&checksum, frozen, "{path} has changed: see tests/abi/README.md");
    }
}

#[test]
fn what_was_added_says_when() {
    let number = |version: &str| -> Vec<u32> {
        version.split('.').map(|part| part.parse().expect("a number")).collect()
    };
    for line in list("tests/abi/added.txt") {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [version, name, _] = words[..] else { panic!("{line}: version, list and line") };
        assert!(version.starts_with(&format!("{}.", abi_version())), "{line}: another interface");
        assert!(number(version)[2] > 0, "{line}: the first version has what is frozen");
        assert!(
            number(version) <= number(env!("CARGO_PKG_VERSION")),
            "{line}: no such version yet"
        );
        assert!(FROZEN.iter().any(|(list, _)| *list == name), "{line}: no such list");
    }
}
