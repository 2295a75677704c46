//! Makes wamp.h and wamp.json in OUT_DIR (tests/header.rs and tests/description.rs compare them with
//! those of include/), the table of statuses for src/ffi/statuses.rs, and the URIs for
//! src/protocol/uri.rs.

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

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
