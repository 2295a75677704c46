//! docs/REFERENCE.md tells the truth about names: the tests that it names exist, and so do the
//! functions, constants, options and features; and nothing that the header offers is left out of
//! the documentation.

mod support;

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;

use support::{abi_list, read, source};
use wamp::ffi::library::{wamp_version, wamp_version_number};
use wamp::protocol::features;

const PAGE: &str = "docs/REFERENCE.md";

/// The second column of the tables that name tests; the last one, of what there is not, names none.
const WITH_TESTS: [&str; 2] = ["here", "announced"];

#[test]
fn no_row_is_open() {
    let rows = rows();
    assert!(rows.len() > 200, "most rows have gone");
    let mut wrong = Vec::new();
    for Row { line, cells, .. } in &rows {
        let [what, here, tests, difference] = cells.as_slice() else {
            wrong.push(format!("{PAGE}:{line}: not four columns"));
            continue;
        };
        let paths: Vec<&str> = quoted(tests).collect();
        for path in &paths {
            if !source(path).is_file() {
                wrong.push(format!("{PAGE}:{line}: there is no {path}"));
            }
        }
        if what.is_empty() || (paths.is_empty() && tests != "—") {
            wrong.push(format!("{PAGE}:{line}: neither tests nor a dash"));
        }
        if paths.is_empty() && difference.is_empty() {
            wrong.push(format!("{PAGE}:{line}: no test, and no reason"));
        }
        if here.is_empty() && difference.is_empty() {
            wrong.push(format!("{PAGE}:{line}: not here, and no reason"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_exist() {
    let (functions, header, options) =
        (functions(), read("include/wamp.h"), read("docs/OPTIONS.md"));
    let constants = constants(&header);
    let page = read(PAGE);
    for name in words(&page).filter(|word| word.starts_with("wamp_")) {
        let other = name.ends_with("_t") || name == "wamp_id"; // types, and a field
        let known = functions.contains(name) || (other && header.contains(name));
        assert!(known, "{PAGE}: `{name}` is not in the header");
    }
    for name in words(&page).filter(|word| word.starts_with("WAMP_")) {
        let environment = ["WAMP_LOG", "WAMP_TRACE"].contains(&name);
        assert!(environment || constants.contains(name), "{PAGE}: {name} is not in the header");
    }
    for row in rows().iter().filter(|row| row.section == "Connection options") {
        // What the last column explains away has no name here.
        let [what, here, ..] = row.cells.as_slice() else { continue };
        let name = quoted(what).next().unwrap_or_default();
        let ours = here.starts_with("the same") && !name.starts_with('"');
        if ours {
            let known = options.contains(&format!("| `{name}` |"));
            assert!(known, "{PAGE}:{}: `{name}` is not in docs/OPTIONS.md", row.line);
        }
    }
}

#[test]
fn every_feature_has_its_row() {
    let rows = rows();
    for (role, features) in features::OURS {
        for feature in *features {
            let row = rows.iter().find(|row| {
                row.section == "Features" && quoted(&row.cells[0]).any(|name| name == *feature)
            });
            let row = row.unwrap_or_else(|| panic!("{PAGE}: no row for `{feature}`"));
            let announced = row.cells[1].contains(role) || row.cells[1].starts_with("all four");
            assert!(announced, "{PAGE}:{}: `{feature}` is announced as {role}", row.line);
        }
    }
}

/// The header documents each function; this is about how to find it.
#[test]
fn every_function_is_in_the_documentation() {
    let mut pages = read("README.md");
    for entry in fs::read_dir(source("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            pages.push_str(&read(&format!("docs/{name}")));
        }
    }
    let known: BTreeSet<&str> = words(&pages).collect();
    let forgotten: Vec<String> =
        functions().into_iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(forgotten.is_empty(), "in no page of docs/: {forgotten:?}");
}

#[test]
fn links_lead_somewhere() {
    for page in [
        PAGE,
        "docs/RECIPES.md",
        "docs/OPTIONS.md",
        "docs/ROUTER.md",
        "docs/TRANSPORTS.md",
        "docs/PERFORMANCE.md",
        "docs/COMMANDS.md",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "tests/README.md",
    ] {
        let text = read(page);
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let anchors: BTreeSet<String> = headings.map(anchor).collect();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let there = match link.strip_prefix('#') {
                Some(name) => anchors.contains(name),
                None if link.starts_with("https://") => true,
                None => {
                    let file = link.split('#').next().unwrap_or(link);
                    source(page).with_file_name(file).exists()
                }
            };
            assert!(there, "{page}: {link}");
        }
    }
}

/// The files and folders that the pages for developers name.
#[test]
fn places_are_there() {
    let mut seen = 0;
    for page in ["ARCHITECTURE.md", "SECURITY.md"] {
        let text = read(page);
        for named in text.split('`').skip(1).step_by(2) {
            let is_place = ["src/", "tests/", "build/", "include/", "bindings/"]
                .iter()
                .any(|folder| named.starts_with(folder));
            if is_place {
                seen += 1;
                assert!(source(named).exists(), "{page}: {named}");
            }
        }
    }
    assert!(seen > 20, "the places were not found");
}

/// As the usual renderers of Markdown make it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}

#[test]
fn every_example_is_in_the_readme() {
    let readme = read("README.md");
    for entry in fs::read_dir(source("examples-c")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
    }
}

#[test]
fn the_library_tells_its_version() {
    // SAFETY: a static text, and a number.
    let (version, told) = unsafe { (CStr::from_ptr(wamp_version()), wamp_version_number()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    let number = version.to_str().unwrap().split('.');
    let number = number.fold(0, |number, part| number << 8 | part.parse::<u32>().unwrap());
    assert_eq!(told, number);
}

/// A row of a table that names tests.
struct Row {
    section: String,
    line: usize,
    cells: Vec<String>,
}

fn rows() -> Vec<Row> {
    let (mut rows, mut section, mut head) = (Vec::new(), String::new(), Vec::new());
    for (number, line) in read(PAGE).lines().enumerate() {
        if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("# ")) {
            section = title.to_owned();
        }
        if line.starts_with("|--") {
            continue;
        }
        let Some(inside) = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')) else {
            head.clear();
            continue;
        };
        let cells: Vec<String> = inside.split('|').map(|cell| cell.trim().to_owned()).collect();
        if head.is_empty() {
            head = cells;
        } else if WITH_TESTS.contains(&head[1].as_str()) {
            rows.push(Row { section: section.clone(), line: number + 1, cells });
        }
    }
    rows
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn functions() -> BTreeSet<String> {
    abi_list("symbols").into_iter().collect()
}

fn constants(header: &str) -> BTreeSet<String> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define "));
    let names = defined.filter_map(|line| line.split([' ', '(']).next());
    names.filter(|name| name.starts_with("WAMP_")).map(str::to_owned).collect()
}
