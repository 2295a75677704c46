//! The table of predefined URIs, `include/uris.txt`: read for wamp.h, and made constants of for
//! src/protocol/uri.rs.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A line of the table.
pub struct Uri {
    pub name: String,
    pub uri: String,
    pub meaning: String,
}

/// All lines of the table.
pub fn read(root: &Path) -> Result<Vec<Uri>, Box<dyn Error>> {
    let table = fs::read_to_string(root.join("include/uris.txt"))?;
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let uris = lines.map(|line| match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
        [name, uri, meaning] => {
            Ok(Uri { name: name.to_owned(), uri: uri.to_owned(), meaning: meaning.to_owned() })
        }
        _ => Err(format!("include/uris.txt: `{line}` is not a name, a URI and a meaning").into()),
    });
    uris.collect()
}

/// The URIs as constants in Rust.
pub fn constants(uris: &[Uri]) -> String {
    uris.iter().fold(String::new(), |mut text, Uri { name, uri, meaning }| {
        let _ = writeln!(text, "/// {meaning}\npub const {name}: &str = \"{uri}\";");
        text
    })
}
