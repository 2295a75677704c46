//! Makes wamp.h in OUT_DIR (tests/header.rs compares it with include/wamp.h) and names the library.

use std::error::Error;
use std::path::{Path, PathBuf};

#[path = "build/statuses.rs"]
mod statuses;

fn main() {
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=include/concepts.txt");
    let root = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    let header = PathBuf::from(env("OUT_DIR")).join("wamp.h");
    if let Err(error) = write_header(&root, &header) {
        println!("cargo:warning=wamp.h was not made: {error}");
    }
    println!("cargo:rustc-env=WAMP_GENERATED_HEADER={}", header.display());
    println!("cargo:rerun-if-changed=build");
    write_statuses(&root).expect("src/ffi can be read");
    name_library();
}

fn write_header(root: &Path, header: &Path) -> Result<(), Box<dyn Error>> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    config.header = Some(std::fs::read_to_string(root.join("include/concepts.txt"))?);
    config.after_includes = Some(version());
    println!("cargo:rerun-if-changed=include/uris.txt");
    let uris = std::fs::read_to_string(root.join("include/uris.txt"))?;
    config.trailer = Some(format!("{}\n{}", uri_macros(&uris), sugar()));
    let mut builder = cbindgen::Builder::new().with_config(config);
    // In the order of the header: types first, then the functions by object.
    for file in [
        "types",
        "library",
        "connection",
        "attempt",
        "challenge",
        "durable",
        "codec",
        "session",
        "requests",
        "invocation",
        "event",
        "arg",
        "report",
        "value",
        "builder",
        "router",
        "auth",
    ] {
        builder = builder.with_src(root.join(format!("src/ffi/{file}.rs")));
    }
    builder.generate()?.write_to_file(header);
    Ok(())
}

/// The table that src/ffi/statuses.rs includes.
fn write_statuses(root: &Path) -> Result<(), Box<dyn Error>> {
    let functions = statuses::functions(&root.join("src/ffi"))?;
    let types = std::fs::read_to_string(root.join("src/ffi/types.rs"))?;
    let table = statuses::table(&functions, &statuses::sets(&functions), &types);
    std::fs::write(PathBuf::from(env("OUT_DIR")).join("statuses.rs"), table)?;
    Ok(())
}

/// The version macros: Cargo.toml is the one place that holds the version.
fn version() -> String {
    let part = |name: &str| env(&format!("CARGO_PKG_VERSION_{name}"));
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    format!(
        "\n/** The version of this header; wamp_version() tells that of the library. */\n\
         #define WAMP_VERSION \"{}\"\n\
         #define WAMP_VERSION_MAJOR {major}\n\
         #define WAMP_VERSION_MINOR {minor}\n\
         #define WAMP_VERSION_PATCH {patch}\n\
         /** As wamp_version_number() tells it. */\n\
         #define WAMP_VERSION_NUMBER ({major} << 16 | {minor} << 8 | {patch})\n\
         \n/** As the size of a text: it ends with a NUL. (0 is the size of an empty text.) */\n\
         #define WAMP_NUL SIZE_MAX\n",
        env("CARGO_PKG_VERSION"),
    )
}

/// Macros of the predefined URIs, of lines with a name, a URI and what it means.
fn uri_macros(list: &str) -> String {
    let mut macros = String::from("/* Predefined URIs of errors and of reasons to close. */\n");
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (name, uri, meaning) = (next(), next(), next());
        macros += &format!("/** {meaning} */\n#define WAMP_URI_{name} \"{uri}\"\n");
    }
    macros
}

/// Macros that make a payload of text. In C++, where compound literals are no standard, a temporary
/// does the same: both live until the end of the expression or block that they stand in.
fn sugar() -> &'static str {
    r#"#ifndef WAMP_PAYLOAD
/**
 * A payload of JSON text, NUL-terminated: WAMP_ARGS("[1, \"two\"]"), WAMP_KWARGS("{\"a\": 1}"),
 * WAMP_PAYLOAD("[1]", "{\"a\": 1}"). For the call that it is an argument of.
 */
#define WAMP_ARGS(args) WAMP_PAYLOAD(args, NULL)
#define WAMP_KWARGS(kwargs) WAMP_PAYLOAD(NULL, kwargs)
#ifdef __cplusplus
struct wamp_text_payload {
  wamp_payload_t payload;
  wamp_text_payload(const char *args, const char *kwargs)
      : payload() {
    payload.args = args;
    payload.args_size = WAMP_NUL;
    payload.kwargs = kwargs;
    payload.kwargs_size = WAMP_NUL;
    payload.encoding = WAMP_JSON;
  }
  operator const wamp_payload_t *() const { return &payload; }
};
#define WAMP_PAYLOAD(args, kwargs) \
  (static_cast<const wamp_payload_t *>(wamp_text_payload((args), (kwargs))))
#else
#define WAMP_PAYLOAD(args, kwargs) \
  (&(const wamp_payload_t){(args), WAMP_NUL, (kwargs), WAMP_NUL, WAMP_JSON, 0})
#endif
#endif /* WAMP_PAYLOAD */"#
}

fn name_library() {
    // While the major version is 0, each minor version has an ABI of its own.
    let abi = match env("CARGO_PKG_VERSION_MAJOR").as_str() {
        "0" => format!("0.{}", env("CARGO_PKG_VERSION_MINOR")),
        major => major.to_owned(),
    };
    match env("CARGO_CFG_TARGET_OS").as_str() {
        "linux" | "android" | "freebsd" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libwamp.so.{abi}");
            // Unmapping code under running threads is a crash.
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        "macos" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libwamp.{abi}.dylib");
        }
        _ => {}
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
