//! A procedure that the router itself calls, as the configuration names it.

use serde_json::{Map, Value};

use crate::protocol::uri::{self, Match};

use super::mistake::Mistake;

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Procedure {
    pub(super) uri: String,
    /// The realm in which it is registered; `None` for that of the client that it is about.
    pub(super) realm: Option<String>,
}

impl Procedure {
    /// Reads `{"KEY": uri, "realm": name}`; `None` without the key.
    pub(super) fn parse(
        entries: &Map<String, Value>,
        key: &str,
    ) -> Result<Option<Procedure>, Mistake> {
        let read = |key: &str| match entries.get(key) {
            None => Ok(None),
            Some(value) => {
                let text = value.as_str().ok_or_else(|| Mistake::of(key, "must be a string"))?;
                uri::check(text, Match::Exact)
                    .map_err(|error| Mistake::of(key, format!("\"{text}\": {error}")))?;
                Ok::<_, Mistake>(Some(text.to_owned()))
            }
        };
        let realm = read("realm")?;
        Ok(read(key)?.map(|uri| Procedure { uri, realm }))
    }
}
