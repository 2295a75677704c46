//! Makes wamp.h and wamp.json in OUT_DIR (tests/header.rs and tests/description.rs compare them with
//! those of include/), the table of statuses for src/ffi/statuses.rs, and the URIs for
//! src/protocol/uri.rs; names the library.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "build/description.rs"]
mod description;
#[path = "build/header.rs"]
mod header;
#[path = "build/statuses.rs"]
mod statuses;
#[path = "build/uris.rs"]
mod uris;

fn main() {
    for place in ["src/ffi", "cbindgen.toml", "include/concepts.txt", "include/uris.txt", "build"] {
        println!("cargo:rerun-if-changed={place}");
    }
    let root = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env("OUT_DIR"));
    if let Err(error) = write_all(&root, &out) {
        panic!("what is made of src/ffi could not be made: {error}");
    }
    println!("cargo:rustc-env=WAMP_GENERATED={}", out.display());
    name_library();
}

fn write_all(root: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let functions = statuses::functions(&root.join("src/ffi"))?;
    let sets = statuses::sets(&functions);
    let types = fs::read_to_string(root.join("src/ffi/types.rs"))?;
    fs::write(out.join("statuses.rs"), statuses::table(&functions, &sets, &types))?;
    let uris = uris::read(root)?;
    fs::write(out.join("uris.rs"), uris::constants(&uris))?;
    let header = header::text(root, &functions, &uris)?;
    fs::write(out.join("wamp.h"), &header)?;
    fs::write(out.join("wamp.json"), description::text(&header, &functions, &sets)?)?;
    Ok(())
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
