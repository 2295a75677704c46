//! The profile file: named sets of connection options.

use std::env;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use wamp_tools::Failure;

/// The profile that is used where none is named.
const DEFAULT: &str = "default";

/// The options that must not be read by others.
const SECRETS: &[&str] = &["ticket", "secret", "privkey"];

/// The options of a profile; none where the default is meant and there is none.
pub fn load(name: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(path) = path() else {
        return match name {
            Some(name) => Err(Failure::usage(format!(
                "no profile '{name}': neither HOME nor XDG_CONFIG_HOME says where the file is"
            ))),
            None => Ok(Map::new()),
        };
    };
    match read(&path)? {
        Some(profiles) => choose(&path, profiles, name),
        None if name.is_none() => Ok(Map::new()),
        None => Err(Failure::usage(format!("there is no profile file {}", path.display()))),
    }
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("WAMPCAT_PROFILES") {
        return Some(path);
    }
    // By the XDG Base Directory Specification relative paths do not count.
    let config = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let config = config.or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("wampcat").join("profiles.json"))
}

fn read(path: &Path) -> Result<Option<Map<String, Value>>, Failure> {
    let wrong = |why: String| Failure::usage(format!("profile file {}: {why}", path.display()));
    let (text, metadata) = match fs::read_to_string(path).and_then(|text| {
        let metadata = fs::metadata(path)?;
        Ok((text, metadata))
    }) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let profiles: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("not a JSON object of profiles: {error}")))?;
    let holds_secret = |profile: &Value| SECRETS.iter().any(|name| !profile[*name].is_null());
    if profiles.values().any(holds_secret) && is_open(&metadata) {
        let path = path.display();
        return Err(wrong(format!("it holds secrets that others can read; chmod 600 {path}")));
    }
    Ok(Some(profiles))
}

fn choose(
    path: &Path,
    mut profiles: Map<String, Value>,
    name: Option<&str>,
) -> Result<Map<String, Value>, Failure> {
    match profiles.remove(name.unwrap_or(DEFAULT)) {
        Some(Value::Object(options)) => Ok(options),
        Some(_) => {
            let (path, name) = (path.display(), name.unwrap_or(DEFAULT));
            Err(Failure::usage(format!("profile file {path}: '{name}' must be a JSON object")))
        }
        None if name.is_none() => Ok(Map::new()),
        None => {
            let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let there = match names.is_empty() {
                true => "there are none".to_owned(),
                false => format!("there are: {}", names.join(", ")),
            };
            let name = name.unwrap_or(DEFAULT);
            Err(Failure::usage(format!("no profile '{name}' in {}; {there}", path.display())))
        }
    }
}

#[cfg(unix)]
fn is_open(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.is_file() && metadata.mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open(_metadata: &Metadata) -> bool {
    false
}
