//! The READMEs tell the truth: each block of code in them is compiled and run, each command is
//! tried.
//!
//! The first C block is the file hello.c for the commands, the first Python block hello.py. A
//! `text` block right after a program or command is its output. Where a program names the usual
//! address of a router, it gets an embedded one.

mod support;

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::markdown::{Block, blocks};
use support::{compile, good, has, library, programs, read, root, scratch, skip, target};
use wamp::ffi::router::{wamp_router_free, wamp_router_listen, wamp_router_new};
use wamp::ffi::types::{WAMP_OK, wamp_router_t};

const USUAL_URL: &str = "ws://127.0.0.1:8080/ws";

/// Where each recipe is put into their frame, the first block of the page.
const RECIPE: &str = "/* RECIPE */\n";

/// Targets that would run these tests again, or for long: it is enough that the Makefile has them.
const NOT_RUN_HERE: &[&str] = &["make demo", "make test", "make bench"];

#[test]
fn the_readme() {
    check("README.md", &["c", "python", "sh"]);
}

#[test]
fn the_readme_of_the_python_binding() {
    check("bindings/python/README.md", &["python"]);
}

#[test]
fn the_recipes() {
    let recipes: Vec<Block> = blocks(&read("docs/RECIPES.md"));
    let (frame, recipes) = recipes.split_first().expect("the frame");
    assert!(recipes.len() >= 15, "most recipes have gone");
    let directory = scratch("recipes");
    for (number, recipe) in recipes.iter().enumerate() {
        let place = format!("docs/RECIPES.md:{}", recipe.line);
        assert_eq!(recipe.language, "c", "{place}");
        let text = frame.text.replace(RECIPE, &recipe.text);
        assert_ne!(text, frame.text, "the frame has no place for a recipe");
        let said = try_c(&directory, number, &text);
        let output = recipe.output.as_deref().unwrap_or_else(|| panic!("{place}: no output"));
        let (mut said, mut output) = (lines(&said), lines(output));
        if recipe.output_in_any_order {
            said.sort_unstable();
            output.sort_unstable();
        }
        assert_eq!(said, output, "{place}: the output (left), and the page");
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_commands_of_the_contributors() {
    for line in read("CONTRIBUTING.md").lines() {
        for command in line.split('`').filter(|text| text.starts_with("make ")) {
            is_target(command);
        }
    }
}

/// Tries all blocks of a file, which must have some of each of the languages named.
fn check(file: &str, languages: &[&str]) {
    let blocks = blocks(&read(file));
    for language in languages {
        assert!(
            blocks.iter().any(|block| block.language == *language),
            "{file} has no block of {language} any more"
        );
    }
    let router = Router::new();
    let directory = scratch(&format!("readme-{}", file.replace('/', "-")));
    let mut exports = String::new();
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("{file}:{}", block.line);
        let text = block.text.replace(USUAL_URL, &router.url);
        let said = match block.language.as_str() {
            "c" => Some(try_c(&directory, number, &text)),
            "python" => try_python(&directory, number, &text, &place),
            "sh" => {
                let said = try_sh(&directory, &exports, &text, &place);
                let exporting = text.lines().filter(|line| line.starts_with("export "));
                exporting.for_each(|line| exports.push_str(&format!("{line}\n")));
                said
            }
            // tools/record.py runs these, in a test of the tools.
            other if other.starts_with("console ") => None,
            other => panic!("{place}: a block of `{other}`, which nothing tries"),
        };
        if let (Some(said), Some(output)) = (said, &block.output) {
            assert_eq!(&said, output, "{place}: the output (left), and the README");
        }
    }
}

fn try_c(directory: &Path, number: usize, text: &str) -> String {
    let code = save(directory, number, "c", text);
    let program = code.with_extension("");
    compile(&code, &program);
    good(&mut Command::new(program))
}

fn try_python(directory: &Path, number: usize, text: &str, place: &str) -> Option<String> {
    let code = save(directory, number, "py", text);
    let Some(python) = python() else {
        skip(&format!(
            "{place}: WAMP_TEST_PYTHON does not name a Python with cffi: this block was not run"
        ));
        return None;
    };
    let mut command = Command::new(python);
    command.arg(code);
    command.env("LIBWAMP_PATH", library().join("libwamp.so"));
    command.env("PYTHONPATH", root().join("bindings/python"));
    Some(good(&mut command))
}

/// Runs the commands of a block in one shell, in a directory and home of their own; `make` in the
/// source tree. `exports` are those of the blocks before it.
fn try_sh(directory: &Path, exports: &str, text: &str, place: &str) -> Option<String> {
    let mut script = format!(
        "set -eu\nexport HOME='{}'\nmake() {{ command make --silent -C '{}' \"$@\" >make.log 2>&1 || {{ cat make.log; exit 1; }}; }}\n",
        directory.display(),
        root().display()
    );
    script.push_str(exports);
    for line in text.lines() {
        let command = line.split(" #").next().unwrap().trim();
        if NOT_RUN_HERE.contains(&command) {
            is_target(command);
        } else {
            script.push_str(command);
            script.push('\n');
        }
    }
    if text.contains("pkg-config") && !has("pkg-config") {
        skip(&format!("{place}: pkg-config is not installed: this block was not run"));
        return None;
    }
    library();
    let mut shell = Command::new("sh");
    shell.env("PROGRAMS", programs());
    shell.arg("-c").arg(script).current_dir(directory);
    // As cargo and rustup find their own things, whatever HOME is.
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if let (None, Some(home)) = (std::env::var_os(name), std::env::var_os("HOME")) {
            shell.env(name, PathBuf::from(home).join(folder));
        }
    }
    shell.env("CARGO", env!("CARGO"));
    shell.env("CARGO_TARGET_DIR", target());
    Some(good(&mut shell))
}

/// Asserts that the Makefile has the target of a command such as `make test`.
fn is_target(command: &str) {
    let name = command.split_whitespace().nth(1).expect("a target");
    let rule = format!("{name}:");
    let makefile = read("Makefile");
    assert!(
        makefile.lines().any(|line| line.starts_with(&rule)),
        "the Makefile has no target `{name}`"
    );
}

/// Writes a block to a file; the first one is also the hello.* of the commands.
fn save(directory: &Path, number: usize, extension: &str, text: &str) -> PathBuf {
    let hello = directory.join(format!("hello.{extension}"));
    if !hello.exists() {
        fs::write(&hello, text).unwrap();
    }
    let path = directory.join(format!("block{number}.{extension}"));
    fs::write(&path, text).unwrap();
    path
}

fn python() -> Option<PathBuf> {
    let named = std::env::var_os("WAMP_TEST_PYTHON")?;
    (!named.is_empty()).then(|| root().join(named))
}

/// An embedded router.
struct Router {
    handle: *mut wamp_router_t,
    url: String,
}

impl Router {
    fn new() -> Router {
        // SAFETY: the texts are NUL-terminated; the URL lives as long as the router.
        unsafe {
            let handle = wamp_router_new(std::ptr::null());
            let mut url = std::ptr::null();
            let status = wamp_router_listen(handle, c"ws://127.0.0.1:0/ws".as_ptr(), &raw mut url);
            assert_eq!(status, WAMP_OK);
            let url = CStr::from_ptr(url);
            let url = url.to_str().unwrap().to_owned();
            Router { handle, url }
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // SAFETY: handles may be anything.
        unsafe { wamp_router_free(self.handle) };
    }
}
