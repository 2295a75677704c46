//! `make install`: what it puts where and takes away again, and that programs are built on it by
//! pkg-config and by CMake.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{
    build, compiler, good, has, library, programs, read, root, scratch, skip, soname, source,
    target,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn everything_is_in_its_place_and_goes_again() {
    let stage = scratch("install-stage");
    let variables = [format!("DESTDIR={}", stage.display()), "PREFIX=/opt/wamp".to_owned()];
    make("install", &variables);
    let (abi, library) = (soname(), format!("libwamp.so.{VERSION}"));
    let mut wanted = vec![
        "include/wamp.h".to_owned(),
        format!("lib/.debug/{library}.debug"),
        "lib/cmake/wamp/wamp-config-version.cmake".to_owned(),
        "lib/cmake/wamp/wamp-config.cmake".to_owned(),
        "lib/libwamp.a".to_owned(),
        "lib/libwamp.so".to_owned(),
        format!("lib/{abi}"),
        format!("lib/{library}"),
        "lib/pkgconfig/wamp.pc".to_owned(),
        "share/doc/libwamp/examples/dashboard.html".to_owned(),
        "share/doc/libwamp/examples/wampd.json".to_owned(),
        "share/libwamp/wamp.json".to_owned(),
        "lib/systemd/system/wampd.service".to_owned(),
        "lib/systemd/system/wampd.socket".to_owned(),
    ];
    for name in ["wampcat", "wampd"] {
        wanted.extend([
            format!("bin/{name}"),
            format!("share/bash-completion/completions/{name}"),
            format!("share/fish/vendor_completions.d/{name}.fish"),
            format!("share/man/man1/{name}.1"),
            format!("share/zsh/site-functions/_{name}"),
        ]);
    }
    let documents =
        ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY.md"];
    wanted.extend(documents.map(|name| format!("share/doc/libwamp/{name}")));
    let folders = [
        ("docs", "md", ""),
        ("docs/performance", "svg", "performance/"),
        ("examples-c", "c", "examples/"),
    ];
    for (folder, extension, place) in folders {
        let files = fs::read_dir(source(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let files = files.map(|name| name.into_string().unwrap());
        let files =
            files.filter(|name| Path::new(name).extension().is_some_and(|e| e == extension));
        wanted.extend(files.map(|name| format!("share/doc/libwamp/{place}{name}")));
    }
    wanted.sort();
    assert_eq!(installed(&stage.join("opt/wamp")), wanted);

    let directory = stage.join("opt/wamp/lib");
    let link = |name: &str| fs::read_link(directory.join(name)).unwrap();
    assert_eq!(link("libwamp.so"), Path::new(&abi));
    assert_eq!(link(&abi), Path::new(&library));
    for made in ["pkgconfig/wamp.pc", "cmake/wamp/wamp-config-version.cmake"] {
        let text = fs::read_to_string(directory.join(made)).unwrap();
        assert!(text.contains(VERSION), "{made} does not name the version");
        assert!(!text.contains('@'), "{made} has gaps that were not filled");
        let stage = stage.to_str().unwrap();
        assert!(!text.contains(stage), "{made} names the staging directory");
    }
    let package = fs::read_to_string(directory.join("pkgconfig/wamp.pc")).unwrap();
    assert!(package.starts_with("prefix=/opt/wamp\n"));

    let unit = fs::read_to_string(directory.join("systemd/system/wampd.service")).unwrap();
    assert!(
        unit.contains("\"/opt/wamp/bin/wampd\" --config \"/opt/wamp/etc/wampd.json\"\n"),
        "{unit}"
    );
    for gap in ["@BINDIR@", "@SYSCONFDIR@"] {
        assert!(!unit.contains(gap), "{unit}");
    }
    let page = fs::read_to_string(stage.join("opt/wamp/share/man/man1/wampd.1")).unwrap();
    assert!(page.contains("SIGHUP"), "{page}");
    let version = good(Command::new(stage.join("opt/wamp/bin/wampd")).arg("--version"));
    assert_eq!(version.trim(), format!("wampd {VERSION}"));

    make("install-strip", &variables);
    wanted.retain(|file| !file.ends_with(".debug"));
    assert_eq!(installed(&stage.join("opt/wamp")), wanted);
    make("uninstall", &variables);
    assert_eq!(installed(&stage), Vec::<String>::new());
}

/// On Debian and Fedora the libraries lie in a directory of their own.
#[test]
fn a_distribution_chooses_the_directories() {
    let stage = scratch("install-directories");
    let directories = ["LIBDIR=/usr/lib/here", "INCLUDEDIR=/usr/include/wamp"].map(str::to_owned);
    let mut variables = vec![format!("DESTDIR={}", stage.display()), "PREFIX=/usr".to_owned()];
    variables.extend(directories);
    make("install", &variables);
    let package = fs::read_to_string(stage.join("usr/lib/here/pkgconfig/wamp.pc")).unwrap();
    for line in ["libdir=/usr/lib/here\n", "includedir=/usr/include/wamp\n"] {
        assert!(package.contains(line), "{package}");
    }
    let config = stage.join("usr/lib/here/cmake/wamp/wamp-config.cmake");
    let config = fs::read_to_string(config).unwrap();
    assert!(config.contains("${_wamp_libdir}/../../include/wamp"), "{config}");
    assert!(stage.join("usr/include/wamp/wamp.h").is_file());
}

/// Debug information is kept apart, and the debugger finds it; nothing tells where the library was
/// built.
#[test]
fn what_is_installed_tells_nothing_of_the_builder() {
    let directory = prefix().join("lib");
    let library = directory.join(format!("libwamp.so.{VERSION}"));
    let sections = good(Command::new("readelf").args(["-S", "-W"]).arg(&library));
    assert!(!sections.contains(".debug_line"), "{sections}");
    assert!(sections.contains(".gnu_debuglink"), "{sections}");
    let debug = directory.join(format!(".debug/libwamp.so.{VERSION}.debug"));
    let sections = good(Command::new("readelf").args(["-S", "-W"]).arg(&debug));
    assert!(sections.contains(".debug_line"), "{sections}");

    let home = std::env::var("HOME").unwrap();
    for file in [library, debug, directory.join("libwamp.a")] {
        let bytes = fs::read(&file).unwrap();
        for place in [root().to_str().unwrap(), target().to_str().unwrap(), &home] {
            let found = bytes.windows(place.len()).position(|window| window == place.as_bytes());
            let shown = found.map(|at| {
                let end = bytes.len().min(at + 120);
                String::from_utf8_lossy(&bytes[at..end]).into_owned()
            });
            assert_eq!(shown, None, "{} names {place}", file.display());
        }
    }
}

/// The version that Cargo.toml asks for is the one that all of this was tried with.
#[test]
fn the_declared_rust_is_that_of_continuous_integration() {
    let version = good(Command::new("rustc").arg("--version"));
    let version = version.split_whitespace().nth(1).unwrap();
    let number = |text: &str| -> Vec<u32> {
        text.split(['.', '-']).map_while(|part| part.parse().ok()).take(2).collect()
    };
    let declared = env!("CARGO_PKG_RUST_VERSION");
    assert!(number(version) >= number(declared), "rustc {version}, declared {declared}");
    if std::env::var_os("CI").is_some() {
        assert_eq!(number(version), number(declared));
    }
    assert!(read("README.md").contains(&format!("Rust {declared}")), "the README says which");
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

    // As the README says it: the library alone, then all that the program needs.
    let linked = directory.join("static");
    let mut command = consumer(&linked);
    for flag in package(&["--static", "--cflags", "--libs"]) {
        command.arg(if flag == "-lwamp" { "-l:libwamp.a" } else { &flag });
    }
    build(&mut command);
    assert!(!needs_libwamp(&linked));
    check(&linked);

    let alone = directory.join("alone");
    let mut command = consumer(&alone);
    build(command.arg("-static").args(package(&["--static", "--cflags", "--libs"])));
    let needed = good(Command::new("readelf").args(["-d", "-W"]).arg(&alone));
    assert!(!needed.contains("NEEDED"), "{needed}");
    check(&alone);
}

#[test]
fn a_program_is_built_by_cmake() {
    if !has("cmake") {
        return skip("cmake is not installed: building with wamp-config.cmake was not tested");
    }
    let directory = scratch("install-cmake");
    let code = source("examples-c/quickstart.c");
    let (major, rest) = VERSION.split_once('.').unwrap();
    let minor = rest.split('.').next().unwrap();
    let project = format!(
        "cmake_minimum_required(VERSION 3.13)\n\
         project(consumer C)\n\
         foreach(name wamp Wamp WAMP)\n\
           find_package(${{name}} {major}.{minor} CONFIG REQUIRED)\n\
           find_package(${{name}} {major}.999 CONFIG QUIET)\n\
           if(${{name}}_FOUND)\n  message(FATAL_ERROR \"a later version was found\")\nendif()\n\
         endforeach()\n\
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

/// The compiler of Rust is not needed for it: what stands in for cargo tells how it was called.
#[test]
fn the_tree_and_the_home_may_have_spaces_in_their_names() {
    const CARGO: &str = "#!/bin/sh\n\
        mkdir -p \"$CARGO_TARGET_DIR/release\" && cp \"$LIBRARY\" \"$CARGO_TARGET_DIR/release\" || exit 1\n\
        printf '%s\\n' \"$CARGO_ENCODED_RUSTFLAGS\" | tr '\\037' '\\n'\n\
        eval \"printf 'C: %s\\n' $CFLAGS\"\n";
    let home = scratch("home of José Müller");
    let tree = home.join("src/libwamp");
    fs::create_dir_all(&tree).unwrap();
    for name in ["Makefile", "Cargo.toml", "include", "examples-c", "tests"] {
        symlink(source(name), tree.join(name)).unwrap();
    }
    let cargo = home.join("cargo");
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
    let mut make = Command::new("make");
    make.current_dir(&tree).args(["lib", "examples"]).arg("CARGO=\"$(HOME)/cargo\"");
    make.env("HOME", &home).env("LIBRARY", library().join("libwamp.so"));
    make.env("RUSTFLAGS", "-Cdebuginfo=1 -Copt-level=2").env("CFLAGS", "-O1 -g");
    let told = good(make.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_HOME"));
    let (tree, home) = (tree.display(), home.display());
    for flag in [
        "-Cdebuginfo=1".to_owned(),
        "-Copt-level=2".to_owned(),
        format!("--remap-path-prefix={home}/.cargo=/cargo"),
        format!("--remap-path-prefix={tree}=/libwamp"),
        format!("C: -ffile-prefix-map={tree}/target=/libwamp/target"),
    ] {
        assert!(told.lines().any(|line| line == flag), "no {flag} in\n{told}");
    }
    assert!(!told.contains("warning"), "{told}");
    check(&PathBuf::from(format!("{tree}/target/c/examples/quickstart")));
}

/// Installed once for all consumers.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = scratch("install-prefix/of José Müller");
        make("install", &[format!("PREFIX={}", prefix.display())]);
        prefix
    })
}

/// Runs one of make's targets for what is built already. It cannot call cargo.
fn make(goal: &str, variables: &[String]) {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut make = Command::new("make");
        make.arg("-C").arg(root()).arg("all").env("PROGRAMS", programs());
        build(make.env("CARGO_TARGET_DIR", target()));
    });
    let mut make = Command::new("make");
    make.arg("-C").arg(root()).arg(goal).args(variables);
    make.env("CARGO_TARGET_DIR", target()).env("CARGO", "no-cargo-here");
    make.env("PROGRAMS", programs());
    good(make.env_remove("DESTDIR").env_remove("PREFIX").env_remove("LIBDIR"));
}

/// What pkg-config answers, word by word, as a shell takes it.
fn package(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("sh");
    command.env("PKG_CONFIG_LIBDIR", prefix().join("lib/pkgconfig"));
    let script = r#"words=$(pkg-config "$@" wamp) && eval "printf '%s\n' $words""#;
    let words = good(command.args(["-c", script, "sh"]).args(arguments));
    words.lines().map(str::to_owned).collect()
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
    good(Command::new("readelf").args(["-d", "-W"]).arg(program)).contains(&soname())
}

fn check(program: &Path) {
    let output = good(&mut Command::new(program));
    assert!(output.contains("2 + 3 = 5"), "{output}");
}

/// The files below a directory, without their common beginning.
fn installed(top: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(top, top, &mut found);
    found.sort();
    found
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
