//! `make install`: what it puts where, and that programs are built on it by pkg-config and by CMake.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{build, compiler, good, has, root, scratch, skip, source, target};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn everything_is_in_its_place() {
    let stage = scratch("install-stage");
    install(&[format!("DESTDIR={}", stage.display()), "PREFIX=/opt/wamp".to_owned()]);
    let mut found = Vec::new();
    walk(&stage, &stage, &mut found);
    found.sort();
    let library = format!("opt/wamp/lib/libwamp.so.{VERSION}");
    let mut wanted = vec![
        "opt/wamp/include/wamp.h",
        "opt/wamp/lib/cmake/Wamp/WampConfig.cmake",
        "opt/wamp/lib/cmake/Wamp/WampConfigVersion.cmake",
        "opt/wamp/lib/libwamp.a",
        "opt/wamp/lib/libwamp.so",
        "opt/wamp/lib/libwamp.so.0",
        &library,
        "opt/wamp/lib/pkgconfig/wamp.pc",
    ];
    wanted.sort();
    assert_eq!(found, wanted);

    let directory = stage.join("opt/wamp/lib");
    let link = |name: &str| fs::read_link(directory.join(name)).unwrap();
    assert_eq!(link("libwamp.so"), Path::new("libwamp.so.0"));
    assert_eq!(link("libwamp.so.0"), Path::new(&format!("libwamp.so.{VERSION}")));
    for made in
        ["pkgconfig/wamp.pc", "cmake/Wamp/WampConfig.cmake", "cmake/Wamp/WampConfigVersion.cmake"]
    {
        let text = fs::read_to_string(directory.join(made)).unwrap();
        assert!(text.contains(VERSION), "{made} does not name the version");
        assert!(!text.contains('@'), "{made} has gaps that were not filled");
        let stage = stage.to_str().unwrap();
        assert!(!text.contains(stage), "{made} names the staging directory");
    }
    let package = fs::read_to_string(directory.join("pkgconfig/wamp.pc")).unwrap();
    assert!(package.starts_with("prefix=/opt/wamp\n"));
}

#[test]
fn a_program_is_built_by_pkg_config() {
    if !has("pkg-config") {
        return skip("pkg-config is not installed: building with wamp.pc was not tested");
    }
    let directory = scratch("install-pkg-config");
    assert_eq!(package(&["--modversion"]), [VERSION]);

    let shared = directory.join("shared");
    let mut command = consumer(&shared);
    command.args(package(&["--cflags", "--libs"]));
    command.arg(format!("-Wl,-rpath,{}", prefix().join("lib").display()));
    build(&mut command);
    assert!(needs_libwamp(&shared));
    check(&shared);

    // As the README says it.
    let linked = directory.join("static");
    let mut command = consumer(&linked);
    for flag in package(&["--static", "--cflags", "--libs"]) {
        command.arg(if flag == "-lwamp" { "-l:libwamp.a" } else { &flag });
    }
    build(&mut command);
    assert!(!needs_libwamp(&linked));
    check(&linked);
}

#[test]
fn a_program_is_built_by_cmake() {
    if !has("cmake") {
        return skip("cmake is not installed: building with WampConfig.cmake was not tested");
    }
    let directory = scratch("install-cmake");
    let code = source("examples-c/quickstart.c");
    let (major, rest) = VERSION.split_once('.').unwrap();
    let minor = rest.split('.').next().unwrap();
    let project = format!(
        "cmake_minimum_required(VERSION 3.13)\n\
         project(consumer C)\n\
         find_package(Wamp {major}.{minor} CONFIG REQUIRED)\n\
         find_package(Wamp {major}.999 CONFIG QUIET)\n\
         if(Wamp_FOUND)\n  message(FATAL_ERROR \"a later version was found\")\nendif()\n\
         foreach(kind shared static)\n\
           add_executable(${{kind}} \"{}\")\n\
           target_link_libraries(${{kind}} wamp::${{kind}})\n\
         endforeach()\n",
        code.display()
    );
    fs::write(directory.join("CMakeLists.txt"), project).unwrap();
    let built = directory.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&directory).arg("-B").arg(&built);
    build(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display())));
    build(Command::new("cmake").arg("--build").arg(&built));
    for (kind, needs) in [("shared", true), ("static", false)] {
        let program = built.join(kind);
        assert_eq!(needs_libwamp(&program), needs, "{kind}");
        check(&program);
    }
}

/// Installed once for all consumers.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = scratch("install-prefix");
        install(&[format!("PREFIX={}", prefix.display())]);
        prefix
    })
}

fn install(variables: &[String]) {
    build_libraries();
    let mut make = Command::new("make");
    make.arg("-C").arg(root()).arg("install").args(variables);
    make.env("CARGO_TARGET_DIR", target());
    good(make.env_remove("DESTDIR").env_remove("PREFIX"));
}

/// Has both libraries built, as `make` does; `make install` builds nothing.
fn build_libraries() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut make = Command::new("make");
        build(make.arg("-C").arg(root()).arg("lib").env("CARGO_TARGET_DIR", target()));
    });
}

/// What pkg-config answers, word by word.
fn package(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_LIBDIR", prefix().join("lib/pkgconfig"));
    let words = good(command.args(arguments).arg("wamp"));
    words.split_whitespace().map(str::to_owned).collect()
}

/// The beginning of a command that builds an example; without the source tree's header.
fn consumer(program: &Path) -> Command {
    let all = compiler(false);
    let mut command = Command::new(all.get_program());
    command.arg(source("examples-c/quickstart.c"));
    command.arg("-o").arg(program).arg("-pthread");
    command
}

fn needs_libwamp(program: &Path) -> bool {
    good(Command::new("readelf").args(["-d", "-W"]).arg(program)).contains("libwamp.so.0")
}

fn check(program: &Path) {
    let output = good(&mut Command::new(program));
    assert!(output.contains("2 + 3 = 5"), "{output}");
}

fn walk(top: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            walk(top, &path, found);
        } else {
            found.push(path.strip_prefix(top).unwrap().display().to_string());
        }
    }
}
