//! What the integration tests share: the library as C programs link it, compilers, programs that
//! are run with a limit, and the list of what could not be tested here.
#![allow(dead_code)] // each test program uses a part

pub mod markdown;

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

/// Generous: met only where something hangs.
pub const LIMIT: Duration = Duration::from_secs(600);

/// What C programs of this tree are compiled with.
pub const STRICT_C: &[&str] =
    &["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-pedantic", "-Werror", "-g"];

/// The top of the source tree.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the source tree.
pub fn source(path: &str) -> PathBuf {
    root().join(path)
}

/// The text of a file of the source tree.
pub fn read(path: &str) -> String {
    let path = source(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a list in the source tree, without comments (#) and empty ones.
pub fn list(path: &str) -> Vec<String> {
    let lines = read(path);
    let lines = lines.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// Cargo's target directory.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// An empty directory for one test.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

/// The version of the binary interface: while the major version is 0, each minor version has its
/// own.
pub fn abi_version() -> &'static str {
    match env!("CARGO_PKG_VERSION_MAJOR") {
        "0" => concat!("0.", env!("CARGO_PKG_VERSION_MINOR")),
        major => major,
    }
}

/// A list of tests/abi: what is frozen, and what was added since.
pub fn abi_list(name: &str) -> Vec<String> {
    let mut lines = list(&format!("tests/abi/{}/{name}.txt", abi_version()));
    let added = list("tests/abi/added.txt");
    let of_list = added.iter().filter_map(|line| line.split_once(' ')?.1.strip_prefix(name));
    lines.extend(of_list.map(|line| line.trim_start().to_owned()));
    lines
}

/// The name that programs know the shared library by.
pub fn soname() -> String {
    format!("libwamp.so.{}", abi_version())
}

/// The directory of the release library, under all its names: `WAMP_LIB_DIR`, else built now.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let named = std::env::var_os("WAMP_LIB_DIR").filter(|name| !name.is_empty());
        let directory = match named {
            Some(named) => root().join(named),
            None => {
                let mut make = Command::new("make");
                make.arg("-C").arg(root()).arg("lib");
                build(make.env("CARGO", env!("CARGO")).env("CARGO_TARGET_DIR", target()));
                target().join("release")
            }
        };
        assert!(
            directory.join("libwamp.so").is_file(),
            "there is no libwamp.so in {}",
            directory.display()
        );
        // The linker takes libwamp.so, the loader looks for the SONAME.
        let soname = directory.join(soname());
        if fs::read_link(&soname).is_err() {
            std::os::unix::fs::symlink("libwamp.so", &soname).unwrap();
        }
        directory
    })
}

/// The directory of wampd and wampcat, built without optimization: `PROGRAMS`, else built now.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        if let Some(named) = std::env::var_os("PROGRAMS").filter(|name| !name.is_empty()) {
            return root().join(named);
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "libwamp-tools", "--bins"]);
        build(cargo.current_dir(root()).env("CARGO_TARGET_DIR", target()));
        target().join("debug")
    })
}

/// A compiler, as the environment names it (CC, CXX, CFLAGS, CXXFLAGS) or the system has it, with
/// the header's folder.
pub fn compiler(cpp: bool) -> Command {
    static HOST: OnceLock<String> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = good(Command::new(rustc).arg("-vV"));
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        host.expect("rustc tells its host").to_owned()
    });
    let mut build = cc::Build::new();
    build.cargo_metadata(false).no_default_flags(true);
    build.cpp(cpp).target(host).host(host).opt_level(0);
    let mut command = build.get_compiler().to_command();
    command.arg("-I").arg(source("include"));
    command
}

/// Compiles a C program and links it with the release library.
pub fn compile(file: &Path, program: &Path) {
    let mut command = compiler(false);
    command.args(STRICT_C).arg(file).arg("-o").arg(program);
    command.arg("-L").arg(library()).args(["-lwamp", "-lpthread"]);
    command.arg(format!("-Wl,-rpath,{}", library().display()));
    build(&mut command);
}

/// How a program ended, and what it said on both of its outputs.
pub struct Ended {
    /// What was run.
    pub command: String,
    /// `None`: the limit was reached.
    pub status: Option<ExitStatus>,
    /// Its standard output and standard error, in the order in which they came.
    pub output: String,
}

impl Ended {
    /// Whether its status is 0.
    pub fn is_good(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// For people.
    pub fn story(&self) -> String {
        let end = match self.status {
            Some(status) => status.to_string(),
            None => "HUNG: still running when the time was over, and killed".to_owned(),
        };
        format!("{}\n{end}; it said:\n{}", self.command, self.output)
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command, limit: Duration) -> Ended {
    // Cargo's search path has the debug library in it; make's flags are not for a make started
    // here; and what cargo tells this test of its own package would have another cargo take the
    // built things for stale.
    let of_cargo = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| of_cargo(name)) {
        command.env_remove(name);
    }
    for name in ["OUT_DIR", "LD_LIBRARY_PATH", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        command.env_remove(name);
    }
    let shown = format!("{command:?}");
    let (mut output, end) = std::io::pipe().unwrap();
    command.stdin(Stdio::null());
    command.stdout(end.try_clone().unwrap()).stderr(end);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    // The command holds the pipe's other end until it is given something else.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (said, hear) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        let _ = said.send(());
        bytes
    });
    let in_time = hear.recv_timeout(limit).is_ok();
    let mut told = String::new();
    if !in_time {
        told = stacks(child.id());
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    Ended {
        command: shown,
        status: in_time.then_some(status),
        output: String::from_utf8_lossy(&reader.join().unwrap()).into_owned() + &told,
    }
}

/// The stacks of all threads of a process that hangs.
fn stacks(process: u32) -> String {
    let mut told = Command::new("python3");
    let told = told.arg(source("tests/runner/stacks.py")).arg(process.to_string()).output();
    match told {
        Ok(told) => format!("\n{}", String::from_utf8_lossy(&told.stdout)),
        Err(error) => format!("\nits stacks are not known: python3: {error}\n"),
    }
}

/// Runs a program that must end well; gives its output.
pub fn good(command: &mut Command) -> String {
    within(command, LIMIT)
}

/// As [`good`], without a limit: a compiler takes as long as it takes.
pub fn build(command: &mut Command) -> String {
    within(command, Duration::MAX)
}

fn within(command: &mut Command, limit: Duration) -> String {
    let ended = run(command, limit);
    assert!(ended.is_good(), "{}", ended.story());
    ended.output
}

/// Whether there is a program of this name.
pub fn has(program: impl AsRef<OsStr>) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program.as_ref()).is_file())
}

/// Tells that something was not tested, and adds it to the list that the end of `make test` shows.
pub fn skip(reason: &str) {
    static LIST: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LIST.lock().unwrap();
    let path = target().join("test-skips.txt");
    let line = format!("SKIPPED: {reason}");
    // Not eprintln!, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "{line}");
    let known = fs::read_to_string(&path).unwrap_or_default();
    if !known.lines().any(|other| other == line) {
        fs::write(&path, format!("{known}{line}\n")).unwrap();
    }
}
