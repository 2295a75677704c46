//! The statuses that each exported function may answer, as its comment lists them.
//!
//! A list is what the comment says after its last "Returns"; "as wamp_x()" in it stands for the
//! list of that function. In debug builds the guard compares: see src/ffi/statuses.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// An exported function, as it stands in the source.
pub struct Function {
    pub name: String,
    /// The file of src/ffi that it stands in, without its extension.
    pub file: String,
    /// Its first and its last line.
    lines: (usize, usize),
    pub docs: String,
    /// Its source, from the signature to the end.
    pub body: String,
    /// Its result is a status, or a number that a negative status takes the place of.
    pub tells: bool,
}

/// Every status that a function may answer.
pub type Sets = BTreeMap<String, BTreeSet<String>>;

/// The exported functions of src/ffi.
pub fn functions(folder: &Path) -> Result<Vec<Function>, Box<dyn Error>> {
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut functions = Vec::new();
    for file in files {
        let name = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(file.path())?;
        let lines: Vec<&str> = text.lines().collect();
        let mut docs = String::new();
        for (index, line) in lines.iter().enumerate() {
            if let Some(doc) = line.strip_prefix("///") {
                docs += doc;
                continue;
            }
            if let Some(rest) = line.strip_prefix("pub unsafe extern \"C\" fn ") {
                let length = lines[index..].iter().position(|line| *line == "}").unwrap_or(0);
                let body = lines[index..=index + length].iter();
                let head = body.take_while(|line| !line.ends_with(") {"));
                let head: Vec<&str> = head.copied().chain([*line]).collect();
                let opening = lines[index..].iter().find(|line| line.ends_with('{'));
                let result = head.last().into_iter().chain(opening);
                functions.push(Function {
                    name: rest.split('(').next().unwrap_or_default().to_owned(),
                    file: name.clone(),
                    lines: (index + 1, index + 1 + length),
                    docs: std::mem::take(&mut docs),
                    body: lines[index..=index + length].join("\n"),
                    tells: result
                        .into_iter()
                        .any(|line| line.contains("-> c_int {") || line.contains("-> i64 {")),
                });
            }
            if !line.starts_with("#[") {
                docs.clear();
            }
        }
    }
    Ok(functions)
}

/// The statuses that each of them may answer. Those that every function may answer stand in no
/// list.
pub fn sets(functions: &[Function]) -> Sets {
    let mut sets = Sets::new();
    let mut references: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for function in functions.iter().filter(|function| function.tells) {
        let docs = &function.docs;
        let at = docs.rfind("Returns").max(docs.rfind("returns")).unwrap_or(docs.len());
        let list = &docs[at..];
        let words = list.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let statuses = words.filter(|word| word.starts_with("WAMP_ERR_")).map(str::to_owned);
        sets.insert(function.name.clone(), statuses.collect());
        let others = list.split("as wamp_").skip(1).filter_map(|rest| rest.split_once("()"));
        let others = others.map(|(name, _)| format!("wamp_{name}"));
        references.insert(&function.name, others.collect());
    }
    // As often as a chain of references may be long.
    for _ in 0..4 {
        for (name, others) in &references {
            let more: Vec<String> =
                others.iter().filter_map(|other| sets.get(other)).flatten().cloned().collect();
            sets.entry((*name).to_owned()).or_default().extend(more);
        }
    }
    sets
}

/// The same as a table for src/ffi/statuses.rs: file, lines, name, and a bit for each status.
pub fn table(functions: &[Function], sets: &Sets, types: &str) -> String {
    let number = |status: &str| -> u32 {
        let definition = types.split_once(&format!("pub const {status}: c_int = -"));
        let number = definition.and_then(|(_, rest)| rest.split(';').next());
        number.and_then(|number| number.parse().ok()).unwrap_or(63)
    };
    let mut table = String::from("&[\n");
    for Function { name, file, lines: (first, last), tells, .. } in functions {
        let set = match tells {
            true => sets[name].iter().fold(0u64, |set, status| set | 1 << number(status)),
            // What it answers is no status: the text alone tells one.
            false => u64::MAX,
        };
        let _ = writeln!(table, "    ({file:?}, {first}..={last}, {name:?}, {set:#x}),");
    }
    table + "]"
}
