//! Writes a payload value by value, for programs without a JSON library.
//!
//! Values at the top are appended to args; a key at the top sends the value after it to kwargs.
//! The first misuse sticks: everything after it fails too, until [`Builder::reset`].

use super::json::text::{write_binary, write_string};
use super::json::{Rules, check_value};
use super::{MAX_DEPTH, PayloadRef};

/// Why a builder refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A value inside a dict came without its key.
    #[error("a value inside a dict needs a key before it")]
    KeyMissing,
    /// A key where none can stand.
    #[error("a key can only stand inside a dict or at the top (for kwargs), once per value")]
    KeyMisplaced,
    /// More ends than beginnings.
    #[error("there is no open list or dict to end")]
    NothingOpen,
    /// The payload was taken with something open.
    #[error("a list, a dict or a key is still open")]
    StillOpen,
    /// JSON has no such number.
    #[error("JSON has neither NaN nor infinity")]
    NotFinite,
    /// The text would be read as binary.
    #[error("JSON over WAMP cannot carry a text that begins with U+0000")]
    LeadingNul,
    /// Nested beyond the limit.
    #[error("nested too deep (more than 128 levels)")]
    TooDeep,
    /// An argument that never became a value.
    #[error("{0}")]
    Argument(String),
    /// The raw text is not one JSON value.
    #[error("raw: {0}")]
    Raw(#[from] super::CodecError),
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Builder {
    args: Vec<u8>,
    kwargs: Vec<u8>,
    open: Vec<Open>,
    /// A key has been written and waits for its value.
    keyed: bool,
    to_kwargs: bool,
    /// The closing brackets of args and kwargs stand already.
    sealed: bool,
    failed: Option<BuildError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    List { empty: bool },
    Dict { empty: bool },
}

type Built = Result<(), BuildError>;

impl Builder {
    /// An empty builder: its payload has neither args nor kwargs.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Starts anew; buffers are kept.
    pub fn reset(&mut self) {
        self.args.clear();
        self.kwargs.clear();
        self.open.clear();
        (self.keyed, self.to_kwargs, self.sealed, self.failed) = (false, false, false, None);
    }

    /// An argument could not even be read: counts as misuse.
    pub fn refuse(&mut self, why: String) -> Result<(), BuildError> {
        self.fail(BuildError::Argument(why))
    }

    /// `null`
    pub fn null(&mut self) -> Built {
        self.value(|out| out.extend_from_slice(b"null"))
    }

    /// `true` or `false`
    pub fn bool(&mut self, value: bool) -> Built {
        self.value(|out| out.extend_from_slice(if value { b"true" } else { b"false" }))
    }

    /// A signed whole number.
    pub fn int(&mut self, value: i64) -> Built {
        self.value(|out| out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()))
    }

    /// An unsigned whole number.
    pub fn uint(&mut self, value: u64) -> Built {
        self.value(|out| out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()))
    }

    /// A finite floating point number; a whole one is written with `.0`.
    pub fn double(&mut self, value: f64) -> Built {
        if !value.is_finite() {
            return self.fail(BuildError::NotFinite);
        }
        self.value(|out| out.extend_from_slice(format!("{value:?}").as_bytes()))
    }

    /// A text.
    pub fn string(&mut self, value: &str) -> Built {
        if value.starts_with('\0') {
            return self.fail(BuildError::LeadingNul);
        }
        self.value(|out| write_string(out, value))
    }

    /// Bytes.
    pub fn binary(&mut self, value: &[u8]) -> Built {
        self.value(|out| write_binary(out, value))
    }

    /// One value that is already JSON text.
    pub fn raw(&mut self, json: &[u8]) -> Built {
        match check_value(json, Rules::Strict) {
            Ok(json) => self.value(|out| out.extend_from_slice(json)),
            Err(error) => self.fail(error.into()),
        }
    }

    /// The key of the value that comes next.
    pub fn key(&mut self, key: &str) -> Built {
        self.unseal()?;
        if self.keyed {
            return self.fail(BuildError::KeyMisplaced);
        }
        match self.open.last_mut() {
            Some(Open::List { .. }) => return self.fail(BuildError::KeyMisplaced),
            Some(Open::Dict { empty }) => {
                if !std::mem::take(empty) {
                    self.out().push(b',');
                }
            }
            None => {
                self.to_kwargs = true;
                self.kwargs.push(if self.kwargs.is_empty() { b'{' } else { b',' });
            }
        }
        let out = self.out();
        write_string(out, key);
        out.push(b':');
        self.keyed = true;
        Ok(())
    }

    /// Opens a list.
    pub fn list(&mut self) -> Built {
        self.container(b'[', Open::List { empty: true })
    }

    /// Opens a dict.
    pub fn dict(&mut self) -> Built {
        self.container(b'{', Open::Dict { empty: true })
    }

    /// Closes the innermost list or dict.
    pub fn end(&mut self) -> Built {
        self.alive()?;
        if self.keyed {
            return self.fail(BuildError::StillOpen);
        }
        let closing = match self.open.pop() {
            Some(Open::List { .. }) => b']',
            Some(Open::Dict { .. }) => b'}',
            None => return self.fail(BuildError::NothingOpen),
        };
        self.out().push(closing);
        self.value_ended();
        Ok(())
    }

    /// What has been built. More may be appended afterwards.
    pub fn payload(&mut self) -> Result<PayloadRef<'_>, BuildError> {
        self.alive()?;
        if self.keyed || !self.open.is_empty() {
            return Err(BuildError::StillOpen);
        }
        if !std::mem::replace(&mut self.sealed, true) {
            seal(&mut self.args, b']');
            seal(&mut self.kwargs, b'}');
        }
        Ok(PayloadRef {
            args: (!self.args.is_empty()).then_some(&self.args),
            kwargs: (!self.kwargs.is_empty()).then_some(&self.kwargs),
            ..PayloadRef::NONE
        })
    }

    fn container(&mut self, bracket: u8, open: Open) -> Built {
        if self.open.len() == MAX_DEPTH - 1 {
            return self.fail(BuildError::TooDeep);
        }
        self.before_value()?;
        self.out().push(bracket);
        self.open.push(open);
        Ok(())
    }

    fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Built {
        self.before_value()?;
        write(self.out());
        self.value_ended();
        Ok(())
    }

    fn before_value(&mut self) -> Built {
        self.unseal()?;
        if std::mem::take(&mut self.keyed) {
            return Ok(());
        }
        match self.open.last_mut() {
            Some(Open::Dict { .. }) => return self.fail(BuildError::KeyMissing),
            Some(Open::List { empty }) => {
                if !std::mem::take(empty) {
                    self.out().push(b',');
                }
            }
            None => self.args.push(if self.args.is_empty() { b'[' } else { b',' }),
        }
        Ok(())
    }

    fn value_ended(&mut self) {
        if self.open.is_empty() {
            self.to_kwargs = false;
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        if self.to_kwargs { &mut self.kwargs } else { &mut self.args }
    }

    fn alive(&self) -> Built {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Takes off the closing brackets that [`Builder::payload`] wrote.
    fn unseal(&mut self) -> Built {
        self.alive()?;
        if std::mem::take(&mut self.sealed) {
            self.args.pop();
            self.kwargs.pop();
        }
        Ok(())
    }

    fn fail(&mut self, error: BuildError) -> Built {
        Err(self.failed.get_or_insert(error).clone())
    }
}

fn seal(out: &mut Vec<u8>, closing: u8) {
    if !out.is_empty() {
        out.push(closing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(builder: &mut Builder) -> (String, String) {
        let payload = builder.payload().unwrap();
        let text = |part: Option<&[u8]>| String::from_utf8(part.unwrap_or(b"").to_vec()).unwrap();
        (text(payload.args), text(payload.kwargs))
    }

    #[test]
    fn builds_args_and_kwargs() -> Built {
        let mut builder = Builder::new();
        assert_eq!(texts(&mut builder), (String::new(), String::new()));
        builder.int(-1)?;
        builder.key("k")?;
        builder.dict()?;
        builder.key("list")?;
        builder.list()?;
        builder.bool(true)?;
        builder.null()?;
        builder.end()?;
        builder.key("x")?;
        builder.double(2.0)?;
        builder.end()?;
        builder.string("a\"b")?;
        let args = r#"[-1,"a\"b"]"#.to_owned();
        let kwargs = r#"{"k":{"list":[true,null],"x":2.0}}"#.to_owned();
        assert_eq!(texts(&mut builder), (args.clone(), kwargs.clone()));
        assert_eq!(texts(&mut builder), (args, kwargs));
        builder.uint(u64::MAX)?;
        builder.key("b")?;
        builder.binary(&[255])?;
        builder.raw(b" [1, 2] ")?;
        let (args, kwargs) = texts(&mut builder);
        assert_eq!(args, r#"[-1,"a\"b",18446744073709551615,[1, 2]]"#);
        assert!(kwargs.ends_with(r#","b":"\u0000/w=="}"#));
        Ok(())
    }

    #[test]
    fn the_first_error_sticks() {
        let mut builder = Builder::new();
        assert_eq!(builder.end(), Err(BuildError::NothingOpen));
        assert_eq!(builder.int(1), Err(BuildError::NothingOpen));
        assert_eq!(builder.payload(), Err(BuildError::NothingOpen));
        builder.reset();
        builder.int(1).unwrap();
        assert_eq!(texts(&mut builder).0, "[1]");
    }

    #[test]
    fn misuse_is_told_apart() {
        let misuse = |build: fn(&mut Builder) -> Built| {
            let mut builder = Builder::new();
            build(&mut builder).err().or_else(|| builder.payload().err())
        };
        assert_eq!(misuse(|b| b.dict().and(b.int(1))), Some(BuildError::KeyMissing));
        assert_eq!(misuse(|b| b.list().and(b.key("a"))), Some(BuildError::KeyMisplaced));
        assert_eq!(misuse(|b| b.key("a").and(b.key("b"))), Some(BuildError::KeyMisplaced));
        assert_eq!(misuse(|b| b.list()), Some(BuildError::StillOpen));
        assert_eq!(misuse(|b| b.key("a")), Some(BuildError::StillOpen));
        assert_eq!(misuse(|b| b.double(f64::NAN)), Some(BuildError::NotFinite));
        assert_eq!(misuse(|b| b.string("\0x")), Some(BuildError::LeadingNul));
        assert!(matches!(misuse(|b| b.raw(b"[")), Some(BuildError::Raw(_))));
        assert_eq!(misuse(|b| (0..128).try_for_each(|_| b.list())), Some(BuildError::TooDeep));
    }
}
