//! The fuzz targets without a fuzzer: each body is given its seeds, and mutations of them that are
//! the same in every run. The fuzzers themselves are `make fuzz`; see fuzz/README.md.

// Long-poll is tried over abstract Unix sockets, which leave no files.
#![cfg(target_os = "linux")]

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use bodies::TARGETS;

/// How many mutations each body gets.
const MUTATIONS: u64 = 2000;

/// No mutation is longer: the bodies have been made for inputs like those of a fuzzer.
const MOST_BYTES: usize = 4096;

#[test]
fn nothing_breaks_the_bodies() {
    thread::scope(|scope| {
        for (name, body) in TARGETS {
            thread::Builder::new()
                .name((*name).to_owned())
                .spawn_scoped(scope, move || try_body(name, *body))
                .expect("a thread");
        }
    });
}

/// A target is named in four places.
#[test]
fn every_target_is_complete() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len());
    assert_eq!(names, files_in("seeds"));
    assert_eq!(names, files_in("fuzz_targets"));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let programs = manifest.split("[[bin]]\n").skip(1);
    let programs = programs.map(|program| {
        let name = program.lines().find_map(|line| line.strip_prefix("name = \""));
        let name = name.and_then(|name| name.strip_suffix('"')).expect("a name");
        assert!(program.contains(&format!("path = \"fuzz_targets/{name}.rs\"\n")), "{program}");
        let text = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("wamp_fuzz::{name}::run(data)")), "{text}");
        name.to_owned()
    });
    assert_eq!(programs.collect::<BTreeSet<_>>(), names);
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names, without their extensions, of what is in a folder of `fuzz/`.
fn files_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().path());
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn try_body(name: &str, body: bodies::Body) {
    let folder = fuzz().join("seeds").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let run = |input: &[u8]| {
        let input = Shown(input);
        body(input.0);
    };
    run(b"");
    seeds.iter().for_each(|seed| run(seed));
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..MUTATIONS {
        run(&mutated(&seeds, &mut random));
    }
}

/// Tells the input that is being tried when the body panics.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

/// A seed with one to four changes of the kinds that fuzzers make.
fn mutated(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\x01\x7f\x80\xff0919\"\\[]{},:.-eE \n";
    let mut input = random.choice(seeds).expect("a seed").clone();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=input.len());
        let range = at..random.usize(at..=input.len().min(at + 16));
        match random.u8(..8) {
            0 | 1 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            2 if at < input.len() => input[at] = *random.choice(TELLING).expect("a byte"),
            3 => input.insert(at, *random.choice(TELLING).expect("a byte")),
            4 => drop(input.drain(range)),
            5 => {
                let copy = input[range].repeat(random.usize(1..=8));
                let to = random.usize(..=input.len());
                input.splice(to..to, copy);
            }
            6 => {
                let other = random.choice(seeds).expect("a seed");
                input.truncate(at);
                input.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
            7 => input.truncate(at),
            _ => input.push(random.u8(..)),
        }
    }
    input.truncate(MOST_BYTES);
    input
}
