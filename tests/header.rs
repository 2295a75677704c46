//! include/wamp.h: it is what the source makes, every C and C++ compiler takes it, and values and
//! layouts are those that programs were compiled with.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use support::{abi_list, compiler, good, has, read, scratch, skip, source};
use wamp::ffi::types::{wamp_event_t, wamp_payload_t};

const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-pedantic", "-Werror"];
const C: &[&str] = &["c99", "c11", "c17"];
const CPP: &[&str] = &["c++11", "c++17", "c++20"];

#[test]
fn the_header_is_fresh() {
    let made = fs::read_to_string(concat!(env!("WAMP_GENERATED"), "/wamp.h"))
        .expect("build.rs makes wamp.h");
    let place = source("include/wamp.h");
    if std::env::var_os("WAMP_UPDATE_HEADER").is_some() {
        // At once, because other tests read it meanwhile.
        let new = place.with_extension("h.new");
        fs::write(&new, &made).unwrap();
        fs::rename(&new, &place).unwrap();
    }
    assert!(
        fs::read_to_string(&place).unwrap_or_default() == made,
        "include/wamp.h is not what src/ffi makes; to renew it: WAMP_UPDATE_HEADER=1 cargo test --test header"
    );
}

#[test]
fn it_compiles_alone_in_every_language() {
    check("alone, twice", "#include <wamp.h>\n#include <wamp.h>\nint here;\n");
}

/// All but the macros for payloads, which are compound literals.
#[test]
fn it_compiles_in_c89() {
    let file = scratch("header-c89").join("test.c");
    fs::write(&file, "#include <wamp.h>\nint here;\n").unwrap();
    compile_only(&file, false, "c89");
}

#[test]
fn the_payload_macros_work_in_every_language() {
    check(
        "macros",
        r#"#include <wamp.h>
int use(wamp_session_t *session, const char *text);
int use(wamp_session_t *session, const char *text) {
  int status = wamp_session_publish(session, "a.b", WAMP_ARGS("[1, \"two\"]"), NULL);
  if (status >= 0) status = wamp_session_publish(session, "a.b", WAMP_ARGS(text), NULL);
  if (status >= 0) status = wamp_session_publish(session, "a.b", WAMP_KWARGS("{\"a\": 1}"), NULL);
  if (status >= 0) status = wamp_session_publish(session, "a.b", WAMP_PAYLOAD("[1]", "{\"a\": 1}"), NULL);
  return status;
}
"#,
    );
}

/// What clang says with all of its warnings that is meant so: each with its reason.
const MEANT: &[(&str, &str)] = &[
    ("padded", "the public structs have none; what a program declares may"),
    ("c++98-compat", "the header is for C++11 and up"),
    ("c++98-compat-pedantic", "as above"),
    ("unsafe-buffer-usage", "C passes pointers and sizes"),
];

#[test]
fn clang_has_nothing_to_say() {
    if !has("clang") {
        return skip("clang: wamp.h was not compiled with all of its warnings");
    }
    let directory = scratch("header-clang");
    let use_of_all = r#"#include <wamp.h>
int use(wamp_session_t *session);
int use(wamp_session_t *session) {
  int status = wamp_session_publish(session, WAMP_URI_CANCELED, WAMP_PAYLOAD("[1]", "{\"a\": 1}"), NULL);
  return status < 0 ? status : wamp_session_publish(session, "a.b", WAMP_ARGS("[1]"), NULL);
}
"#;
    let in_cpp = &use_of_all.replace("NULL", "nullptr");
    // C89 has no compound literals; all else of the header it takes.
    let alone =
        "#include <wamp.h>\nint here(void);\nint here(void) { return WAMP_VERSION_NUMBER; }\n";
    for (language, standards, code) in [
        ("c", &["c89"][..], alone),
        ("c", &["c99", "c11", "c17"], use_of_all),
        ("c++", &["c++11", "c++17", "c++20"], in_cpp),
    ] {
        let file = directory.join(if language == "c" { "all.c" } else { "all.cpp" });
        fs::write(&file, code).unwrap();
        for standard in standards {
            let mut clang = Command::new("clang");
            clang.args([
                "-x",
                language,
                &format!("-std={standard}"),
                "-Weverything",
                "-Werror",
                "-Wno-unknown-warning-option",
            ]);
            clang.args(MEANT.iter().map(|(warning, _)| format!("-Wno-{warning}")));
            clang.args(["-fsyntax-only", "-I"]).arg(source("include")).arg(&file);
            good(&mut clang);
        }
    }
}

/// The header as MSVC reads it, with everything that only GCC understands left out.
#[test]
fn msvc_sees_nothing_of_gcc() {
    let directory = scratch("header-msvc");
    let headers = source("include/wamp.h");
    for name in read("include/wamp.h").lines().filter_map(|line| line.strip_prefix("#include <")) {
        fs::write(directory.join(name.trim_end_matches('>')), "").unwrap();
    }
    let read_with = |more: &[&str]| {
        let mut read = compiler(false);
        read.args(["-E", "-P", "-nostdinc", "-U__GNUC__", "-D_WIN32", "-D_MSC_VER=1940"]);
        good(read.args(more).arg("-I").arg(&directory).arg(&headers))
    };
    let (shared, fixed) = (read_with(&[]), read_with(&["-DWAMP_STATIC"]));
    assert!(!shared.contains("__attribute__") && !fixed.contains("__attribute__"));
    assert!(!fixed.contains("__declspec"), "a static library is not imported");
    for name in abi_list("symbols") {
        let (before, _) = shared.split_once(&format!("{name}(")).expect("the header declares it");
        let declaration = before.rsplit([';', '}']).next().unwrap_or_default().trim();
        assert!(declaration.starts_with("__declspec(dllimport)"), "{name}: {declaration}");
    }
}

/// What a variable of type `int` takes is a status or a small number: only the local ids that
/// requests return, and the whole numbers of values, are wider.
#[test]
fn results_are_plain() {
    const LOCAL_IDS: &[&str] = &[
        "wamp_connection_subscribe",
        "wamp_connection_register",
        "wamp_session_subscribe",
        "wamp_session_subscribe_sync",
        "wamp_session_publish_ack",
        "wamp_session_register",
        "wamp_session_register_sync",
        "wamp_session_call",
    ];
    let text =
        good(compiler(false).args(["-E", "-P", "-DWAMP_API="]).arg(source("include/wamp.h")));
    let mut seen = 0;
    for name in abi_list("symbols") {
        let (before, _) = text.split_once(&format!("{name}(")).expect("the header declares it");
        let result = before.rsplit([';', '}']).next().unwrap_or_default().trim();
        seen += 1;
        let plain = match result {
            "int64_t" => LOCAL_IDS.contains(&&*name) || name == "wamp_value_int",
            "uint64_t" | "double" | "size_t" => name.starts_with("wamp_value_"),
            "uint32_t" => name == "wamp_version_number",
            "void" => name == "wamp_log_event",
            other => other == "int" || other.ends_with('*'),
        };
        assert!(plain, "{name} returns {result}");
    }
    assert!(seen > 100, "the functions were not found");
}

#[test]
fn the_version_is_that_of_the_package() {
    let mut code = String::from("#include <wamp.h>\n");
    for part in ["MAJOR", "MINOR", "PATCH"] {
        let value = match part {
            "MAJOR" => env!("CARGO_PKG_VERSION_MAJOR"),
            "MINOR" => env!("CARGO_PKG_VERSION_MINOR"),
            _ => env!("CARGO_PKG_VERSION_PATCH"),
        };
        hold(&mut code, &format!("WAMP_VERSION_{part} == {value}"));
    }
    hold(
        &mut code,
        "WAMP_VERSION_NUMBER == (WAMP_VERSION_MAJOR << 16 | WAMP_VERSION_MINOR << 8 | WAMP_VERSION_PATCH)",
    );
    let text = concat!("sizeof WAMP_VERSION == sizeof \"", env!("CARGO_PKG_VERSION"), "\"");
    hold(&mut code, text);
    check_c11("version", &code);
    let line = concat!("#define WAMP_VERSION \"", env!("CARGO_PKG_VERSION"), "\"\n");
    assert!(read("include/wamp.h").contains(line));
}

#[test]
fn constants_keep_their_values() {
    let listed: BTreeMap<String, i64> = abi_list("constants")
        .iter()
        .map(|line| {
            let (name, value) = line.split_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a whole number"))
        })
        .collect();
    let header = read("include/wamp.h");
    let defined: BTreeMap<String, i64> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
        .filter(|(name, value)| {
            !name.starts_with("WAMP_VERSION") && !name.contains('(') && !value.starts_with('"')
        })
        .filter(|(name, _)| !matches!(*name, "WAMP_NUL" | "WAMP_API"))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a plain number")))
        .collect();
    assert!(defined.len() > 50, "the header's constants were not found");
    assert_eq!(defined, listed, "constants of wamp.h (left) and of tests/abi (right)");
    let mut code = String::from("#include <wamp.h>\n");
    hold(&mut code, "WAMP_NUL == SIZE_MAX");
    for (name, value) in &listed {
        hold(&mut code, &format!("{name} == ({value})"));
    }
    check_c11("constants", &code);
}

/// The size of a struct, and of each field its name and offset. Fails to compile where a field is
/// missing here.
macro_rules! layout {
    ($type:ident { $($field:ident),* }) => {{
        fn _all_fields(whole: $type) {
            let $type { $($field: _),* } = whole;
        }
        (stringify!($type), size_of::<$type>(), vec![$((stringify!($field), offset_of!($type, $field))),*])
    }};
}

#[test]
fn structs_keep_their_layout() {
    let structs = [
        layout!(wamp_payload_t { args, args_size, kwargs, kwargs_size, encoding, flags }),
        layout!(wamp_event_t {
            kind,
            flags,
            status,
            reserved,
            id,
            wamp_id,
            user_data,
            connection,
            session,
            invocation,
            uri,
            uri_size,
            message,
            message_size,
            details,
            details_size,
            payload,
            token,
            challenge,
            attempt
        }),
    ];
    let mut lines = Vec::new();
    let mut code = String::from("#include <stddef.h>\n#include <wamp.h>\n");
    for (name, size, fields) in structs {
        lines.push(format!("{name} {size}"));
        hold(&mut code, &format!("sizeof({name}) == {size}"));
        for (field, offset) in fields {
            lines.push(format!("{name}.{field} {offset}"));
            hold(&mut code, &format!("offsetof({name}, {field}) == {offset}"));
        }
    }
    assert_eq!(lines, abi_list("layout"), "the layout in Rust (left) and in tests/abi (right)");
    check_c11("layout", &code);
}

fn hold(code: &mut String, fact: &str) {
    writeln!(code, "_Static_assert({fact}, \"\");").unwrap();
}

/// Compiles the same text in each version of both languages.
fn check(name: &str, code: &str) {
    let directory = scratch(&format!("header-{name}"));
    for (cpp, standards) in [(false, C), (true, CPP)] {
        let file = directory.join(if cpp { "test.cpp" } else { "test.c" });
        fs::write(&file, code).unwrap();
        for standard in standards {
            compile_only(&file, cpp, standard);
        }
    }
}

fn check_c11(name: &str, code: &str) {
    let file = scratch(&format!("header-{name}")).join("test.c");
    fs::write(&file, code).unwrap();
    compile_only(&file, false, "c11");
}

fn compile_only(file: &Path, cpp: bool, standard: &str) {
    let mut command = compiler(cpp);
    command.arg(format!("-std={standard}")).args(WARNINGS);
    command.args(["-c", "-o", "/dev/null"]).arg(file);
    good(&mut command);
}
