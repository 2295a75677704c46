//! wamp.h: what cbindgen makes of src/ffi, cut into sections, with what cbindgen cannot write.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::env;
use crate::statuses::Function;
use crate::uris::Uri;

/// The files of functions, in the order of the header, and the titles of their sections. Two in a
/// row may share one.
const FUNCTIONS: &[(&str, &str)] = &[
    ("library", "The library"),
    ("setup", "Connections"),
    ("connection", "Connections"),
    ("attempt", "Attempts to connect"),
    ("challenge", "Challenges"),
    ("durable", "Subscriptions and registrations of a connection"),
    ("codec", "Payload codecs"),
    ("session", "Sessions"),
    ("pubsub", "Requests of a session"),
    ("rpc", "Requests of a session"),
    ("invocation", "Invocations"),
    ("event", "Events and messages"),
    ("arg", "Arguments of events"),
    ("report", "Reports"),
    ("value", "Values: lenses on received data"),
    ("builder", "Builders"),
    ("router", "The embedded router"),
    ("router_reload", "The embedded router"),
    ("router_events", "The embedded router"),
    ("question", "Questions of a router"),
    ("auth", "Authentication helpers"),
];

/// The beginnings of the sections before the functions, and their titles.
const DEFINITIONS: &[(&str, &str)] = &[
    ("#define WAMP_OK ", "Statuses"),
    ("#define WAMP_OPEN ", "Kinds and flags of events"),
    ("#define WAMP_JSON ", "Encodings and flags of payloads"),
    ("#define WAMP_TYPE_NONE ", "Types of values"),
    ("#define WAMP_LOG_OFF ", "Log levels"),
    ("typedef struct wamp_attempt_t ", "Handles"),
    ("typedef void (*wamp_log_t)", "Structs and callbacks"),
];

/// The word before every function, as cbindgen.toml says.
const PREFIX: &str = "WAMP_API";

/// The section behind the functions.
const MACROS: &str = "Predefined URIs, and macros for payloads";

/// The text of wamp.h.
pub fn text(root: &Path, functions: &[Function], uris: &[Uri]) -> Result<String, Box<dyn Error>> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let concepts = fs::read_to_string(root.join("include/concepts.txt"))?;
    config.header = Some(concepts.replace(" * @CONTENTS@\n", &contents()));
    config.after_includes = Some(preamble());
    config.trailer = Some(format!("{}{}\n{}", banner(MACROS), uri_macros(uris), payload_macros()));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["types"].into_iter().chain(FUNCTIONS.iter().map(|(file, _)| *file)) {
        builder = builder.with_src(root.join(format!("src/ffi/{file}.rs")));
    }
    let mut made = Vec::new();
    builder.generate()?.write(&mut made);
    // C89 has no comments to the end of the line.
    let made = String::from_utf8(made)?
        .replace("// __cplusplus", "/* __cplusplus */")
        .replace("// extern \"C\"", "/* extern \"C\" */");
    Ok(with_banners(&with_prefixes(&made), functions))
}

fn contents() -> String {
    let before = DEFINITIONS.iter().chain(FUNCTIONS).map(|(_, title)| *title);
    let mut titles: Vec<&str> = before.chain([MACROS]).collect();
    titles.dedup();
    titles.iter().map(|title| format!(" *   {title}\n")).collect()
}

/// Puts what stands before a function into its first line, where cbindgen gives it one of its own.
fn with_prefixes(made: &str) -> String {
    let mut text = String::new();
    let mut indent = "";
    for line in made.lines() {
        if line == PREFIX {
            text += PREFIX;
            text.push(' ');
            indent = "         ";
            continue;
        }
        // The parameters stand below each other.
        text += if line.starts_with("  ") { indent } else { "" };
        text += line;
        text.push('\n');
        if line.ends_with(';') {
            indent = "";
        }
    }
    text
}

/// Puts the head of each section before the comment of what it begins with.
fn with_banners(made: &str, functions: &[Function]) -> String {
    let files: BTreeMap<&str, &str> = functions.iter().map(|f| (&*f.name, &*f.file)).collect();
    let mut open = "";
    let mut text = String::new();
    for line in made.lines() {
        if let Some(title) = title_of(line, &files).filter(|title| *title != open) {
            open = title;
            // Its own comment is the last one.
            let at = text.rfind("/**\n").unwrap_or(text.len());
            text.insert_str(at, &banner(title));
        }
        text += line;
        text.push('\n');
    }
    text
}

/// The section that the definition in this line begins, or belongs to.
fn title_of(line: &str, files: &BTreeMap<&str, &str>) -> Option<&'static str> {
    if let Some((_, title)) = DEFINITIONS.iter().find(|(start, _)| line.starts_with(start)) {
        return Some(title);
    }
    let before = line.strip_prefix("WAMP_API ")?.split_once('(')?.0;
    let name = before.rsplit([' ', '*']).next()?;
    let file = files.get(name)?;
    FUNCTIONS.iter().find(|(of, _)| of == file).map(|(_, title)| *title)
}

fn banner(title: &str) -> String {
    format!("/* ---- {title} {} */\n\n", "-".repeat(90usize.saturating_sub(title.len())))
}

/// Version, visibility and deprecation. Cargo.toml is the one place that holds the version.
fn preamble() -> String {
    let part = |name: &str| env(&format!("CARGO_PKG_VERSION_{name}"));
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    format!(
        r#"
/** The version of this header; wamp_version() returns that of the library. */
#define WAMP_VERSION "{}"
#define WAMP_VERSION_MAJOR {major}
#define WAMP_VERSION_MINOR {minor}
#define WAMP_VERSION_PATCH {patch}
/** As wamp_version_number() returns it. */
#define WAMP_VERSION_NUMBER ({major} << 16 | {minor} << 8 | {patch})

/** As the size of a text: it ends with a NUL. (0 is the size of an empty text.) */
#define WAMP_NUL SIZE_MAX

/**
 * Stands before every function. A program that links the static library on Windows defines WAMP_STATIC
 * before it includes this header; one that loads the library at run time may define WAMP_API as it likes.
 */
#ifndef WAMP_API
#if defined(_WIN32) && !defined(WAMP_STATIC)
#define WAMP_API __declspec(dllimport)
#elif defined(__GNUC__)
#define WAMP_API __attribute__((visibility("default")))
#else
#define WAMP_API
#endif
#endif

/**
 * Stands before a function that a later version will remove, with a string that names its replacement.
 * Defined as nothing before this header is included, it silences the warnings of compilers.
 */
#ifndef WAMP_DEPRECATED
#if defined(__GNUC__)
#define WAMP_DEPRECATED(instead) __attribute__((deprecated(instead)))
#elif defined(_MSC_VER)
#define WAMP_DEPRECATED(instead) __declspec(deprecated(instead))
#else
#define WAMP_DEPRECATED(instead)
#endif
#endif
"#,
        env("CARGO_PKG_VERSION"),
    )
}

/// Macros of the predefined URIs, of lines with a name, a URI and what it means.
fn uri_macros(uris: &[Uri]) -> String {
    uris.iter().fold(String::new(), |mut macros, Uri { name, uri, meaning }| {
        let _ = writeln!(macros, "/** {meaning} */\n#define WAMP_URI_{name} \"{uri}\"");
        macros
    })
}

/// Macros that make a payload of text. In C++, where compound literals are no standard, a temporary
/// does the same: both live until the end of the expression or block that they stand in.
fn payload_macros() -> &'static str {
    r#"#ifndef WAMP_PAYLOAD
/**
 * A payload of JSON text, NUL-terminated: WAMP_ARGS("[1, \"two\"]"), WAMP_KWARGS("{\"a\": 1}"),
 * WAMP_PAYLOAD("[1]", "{\"a\": 1}"). For the call that it is an argument of.
 */
#ifdef __cplusplus
#define WAMP_ARGS(args) WAMP_PAYLOAD(args, nullptr)
#define WAMP_KWARGS(kwargs) WAMP_PAYLOAD(nullptr, kwargs)
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
#define WAMP_ARGS(args) WAMP_PAYLOAD(args, NULL)
#define WAMP_KWARGS(kwargs) WAMP_PAYLOAD(NULL, kwargs)
#define WAMP_PAYLOAD(args, kwargs) \
  (&(const wamp_payload_t){(args), WAMP_NUL, (kwargs), WAMP_NUL, WAMP_JSON, 0})
#endif
#endif /* WAMP_PAYLOAD */"#
}
