//! URI shortcuts: `api:add2` for `com.myapp.api.add2` (AutobahnJS, "URI Shortcuts").
//!
//! They belong to the connection, so that they hold in all of its sessions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::os::unpoisoned;
use crate::protocol::uri::{self, Match};

use super::status::{Failure, Status};

/// The shortcuts of a connection.
#[derive(Debug, Default)]
pub struct Prefixes {
    /// There are some: without any, no lock is taken.
    any: AtomicBool,
    by_shortcut: RwLock<HashMap<String, String>>,
}

impl Prefixes {
    /// Lets `shortcut:` stand for `prefix.`; `None` removes it.
    pub fn set(&self, shortcut: &str, prefix: Option<&str>) -> Result<(), Failure> {
        let wrong = |text: String| Failure::new(Status::Uri, text);
        if shortcut.is_empty()
            || shortcut.contains(|c: char| c.is_whitespace() || matches!(c, '.' | ':' | '#'))
        {
            let text = format!(
                "shortcut \"{shortcut}\": must be one word without '.', ':', '#' or white space"
            );
            return Err(wrong(text));
        }
        if let Some(prefix) = prefix {
            uri::check(prefix, Match::Exact).map_err(|error| {
                let text = "it must be whole components; the dot after it is added automatically";
                wrong(format!("prefix \"{prefix}\": {error}; {text}"))
            })?;
        }
        let mut all = unpoisoned(self.by_shortcut.write());
        match prefix {
            Some(prefix) => all.insert(shortcut.to_owned(), prefix.to_owned()),
            None => all.remove(shortcut),
        };
        self.any.store(!all.is_empty(), Ordering::Release);
        Ok(())
    }

    /// The URI that `text` stands for: itself, unless it begins with a known shortcut.
    pub fn resolve<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.any.load(Ordering::Acquire) {
            return Cow::Borrowed(text);
        }
        let Some((shortcut, rest)) = text.split_once(':') else {
            return Cow::Borrowed(text);
        };
        let all = unpoisoned(self.by_shortcut.read());
        match all.get(shortcut) {
            Some(prefix) if rest.is_empty() => Cow::Owned(prefix.clone()),
            Some(prefix) => Cow::Owned(format!("{prefix}.{rest}")),
            None => Cow::Borrowed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_are_resolved() {
        let prefixes = Prefixes::default();
        assert_eq!(prefixes.resolve("api:add2"), "api:add2");
        prefixes.set("api", Some("com.myapp.service")).unwrap();
        assert_eq!(prefixes.resolve("api:add2"), "com.myapp.service.add2");
        assert_eq!(prefixes.resolve("api:"), "com.myapp.service");
        assert_eq!(prefixes.resolve("other:add2"), "other:add2");
        assert_eq!(prefixes.resolve("com.myapp.api"), "com.myapp.api");
        prefixes.set("api", None).unwrap();
        prefixes.set("api", None).unwrap();
        assert_eq!(prefixes.resolve("api:add2"), "api:add2");
    }

    #[test]
    fn odd_shortcuts_are_refused() {
        let prefixes = Prefixes::default();
        for (shortcut, prefix) in [
            ("a.b", "com.myapp"),
            ("", "com.myapp"),
            ("a:b", "com.myapp"),
            ("a b", "com.myapp"),
            ("a", "com.myapp."),
            ("a", "com..myapp"),
            ("a", ""),
            ("a", "com my"),
        ] {
            let refused = prefixes.set(shortcut, Some(prefix)).unwrap_err();
            assert_eq!(refused.status, Status::Uri, "{shortcut} {prefix}");
        }
        assert!(!prefixes.any.load(Ordering::Acquire));
    }
}
