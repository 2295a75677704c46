//! Writes a payload value by value, for programs without a library for its encoding.
//!
//! Values at the top are appended to args; a key at the top sends the value after it to kwargs.
//! The first misuse sticks: everything after it fails too, until [`Builder::reset`].

use super::binary::Cbor;
use super::binary::MsgPack;
use super::binary::{self, Format};
use super::json::text::write_string;
use super::json::{self, Rules, check_value};
use super::{CodecError, Encoding, MAX_DEPTH, PayloadRef, Token, transcode};

/// The reason why a builder refuses.
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
    /// JSON has no such number; the other encodings have.
    #[error("JSON has neither NaN nor infinity")]
    NotFinite,
    /// In JSON the text would be read as binary.
    #[error("JSON over WAMP cannot carry a text that begins with U+0000")]
    LeadingNul,
    /// Nested beyond the limit.
    #[error("nested too deep (more than 128 levels)")]
    TooDeep,
    /// An argument that never became a value.
    #[error("{0}")]
    Argument(String),
    /// The raw bytes are not one value.
    #[error("raw: {0}")]
    Raw(#[from] CodecError),
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Builder {
    encoding: Encoding,
    args: Part,
    kwargs: Part,
    open: Vec<Open>,
    /// A key has been written and waits for its value.
    keyed: bool,
    to_kwargs: bool,
    /// The closing brackets of args and kwargs stand already.
    sealed: bool,
    failed: Option<BuildError>,
}

/// Args or kwargs.
#[derive(Debug, Default)]
struct Part {
    /// In JSON without the closing bracket and the NUL that C likes to see after a text, unless
    /// sealed; else after room for the head.
    bytes: Vec<u8>,
    /// The entries of the outermost list or dict.
    entries: usize,
    /// The beginning of the payload, once sealed.
    start: usize,
    /// Its end then.
    end: usize,
}

/// The longest head of a list or dict.
const HEAD: usize = 9;

/// A list or dict that has begun.
#[derive(Debug)]
enum Open {
    List {
        empty: bool,
    },
    Dict {
        empty: bool,
    },
    /// In the binary encodings.
    Binary(binary::sink::Open),
}

type Built = Result<(), BuildError>;

impl Builder {
    /// An empty builder: its payload has neither args nor kwargs.
    pub fn new(encoding: Encoding) -> Builder {
        Builder { encoding, ..Builder::default() }
    }

    /// The encoding of its values.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Starts anew; buffers are kept.
    pub fn reset(&mut self) {
        for part in [&mut self.args, &mut self.kwargs] {
            part.bytes.clear();
            part.entries = 0;
        }
        self.open.clear();
        (self.keyed, self.to_kwargs, self.sealed, self.failed) = (false, false, false, None);
    }

    /// An argument could not even be read: counts as misuse.
    pub fn refuse(&mut self, why: String) -> Result<(), BuildError> {
        self.fail(BuildError::Argument(why))
    }

    /// `null`
    pub fn null(&mut self) -> Built {
        self.value(&Token::Null)
    }

    /// `true` or `false`
    pub fn bool(&mut self, value: bool) -> Built {
        self.value(&Token::Bool(value))
    }

    /// A signed whole number.
    pub fn int(&mut self, value: i64) -> Built {
        self.value(&match u64::try_from(value) {
            Ok(value) => Token::Uint(value),
            Err(_) => Token::Negative((-1 - value) as u64),
        })
    }

    /// An unsigned whole number.
    pub fn uint(&mut self, value: u64) -> Built {
        self.value(&Token::Uint(value))
    }

    /// A floating point number, in JSON a finite one; a whole one stays one of these.
    pub fn double(&mut self, value: f64) -> Built {
        if self.encoding == Encoding::Json && !value.is_finite() {
            return self.fail(BuildError::NotFinite);
        }
        self.value(&Token::Float(value))
    }

    /// A text.
    pub fn string(&mut self, value: &str) -> Built {
        if self.encoding == Encoding::Json && value.starts_with('\0') {
            return self.fail(BuildError::LeadingNul);
        }
        self.value(&Token::Text(value.into()))
    }

    /// Bytes.
    pub fn binary(&mut self, value: &[u8]) -> Built {
        self.value(&Token::Binary(value.into()))
    }

    /// One value that is encoded already, as the builder's payload.
    pub fn raw(&mut self, encoded: &[u8]) -> Built {
        let checked = match self.encoding {
            Encoding::Json => check_value(encoded, Rules::Strict),
            encoding => transcode::check(encoded, encoding).map(|()| encoded),
        };
        match checked {
            Ok(checked) => {
                self.before_value()?;
                self.out().extend_from_slice(checked);
                self.value_ended();
                Ok(())
            }
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
            Some(Open::Binary(open)) if !open.is_dict() => {
                return self.fail(BuildError::KeyMisplaced);
            }
            Some(Open::Binary(open)) => open.count(),
            None => {
                self.to_kwargs = true;
                self.kwargs.begin_entry(self.encoding, b'{');
            }
        }
        match self.encoding {
            Encoding::Json => {
                let out = self.out();
                write_string(out, key);
                out.push(b':');
            }
            Encoding::MsgPack => key_of::<MsgPack>(self.out(), key),
            Encoding::Cbor => key_of::<Cbor>(self.out(), key),
        }
        self.keyed = true;
        Ok(())
    }

    /// Opens a list.
    pub fn list(&mut self) -> Built {
        self.container(false)
    }

    /// Opens a dict.
    pub fn dict(&mut self) -> Built {
        self.container(true)
    }

    /// Closes the innermost list or dict.
    pub fn end(&mut self) -> Built {
        self.alive()?;
        if self.keyed {
            return self.fail(BuildError::StillOpen);
        }
        match self.open.pop() {
            Some(Open::List { .. }) => self.out().push(b']'),
            Some(Open::Dict { .. }) => self.out().push(b'}'),
            Some(Open::Binary(open)) if self.encoding == Encoding::Cbor => {
                open.end::<Cbor>(self.out());
            }
            Some(Open::Binary(open)) => open.end::<MsgPack>(self.out()),
            None => return self.fail(BuildError::NothingOpen),
        }
        self.value_ended();
        Ok(())
    }

    /// The payload that has been built. More may be appended afterwards.
    pub fn payload(&mut self) -> Result<PayloadRef<'_>, BuildError> {
        self.alive()?;
        if self.keyed || !self.open.is_empty() {
            return Err(BuildError::StillOpen);
        }
        if !std::mem::replace(&mut self.sealed, true) {
            self.args.seal(self.encoding, b']');
            self.kwargs.seal(self.encoding, b'}');
        }
        let (args, kwargs) = (self.args.sealed(), self.kwargs.sealed());
        Ok(PayloadRef { args, kwargs, encoding: self.encoding })
    }

    fn container(&mut self, dict: bool) -> Built {
        if self.open.len() == MAX_DEPTH - 1 {
            return self.fail(BuildError::TooDeep);
        }
        self.before_value()?;
        let open = match (self.encoding, dict) {
            (Encoding::Json, true) => {
                self.out().push(b'{');
                Open::Dict { empty: true }
            }
            (Encoding::Json, false) => {
                self.out().push(b'[');
                Open::List { empty: true }
            }
            _ => Open::Binary(binary::sink::Open::begin(self.out(), dict)),
        };
        self.open.push(open);
        Ok(())
    }

    fn value(&mut self, token: &Token<'_>) -> Built {
        self.before_value()?;
        let encoding = self.encoding;
        let out = self.out();
        let written = match encoding {
            Encoding::Json => json::Sink::new(out, Rules::Strict).token(token),
            Encoding::MsgPack => binary::Sink::<MsgPack>::new(out, Rules::Strict).token(token),
            Encoding::Cbor => binary::Sink::<Cbor>::new(out, Rules::Strict).token(token),
        };
        if let Err(what) = written {
            return self.fail(BuildError::Raw(CodecError { at: 0, what }));
        }
        self.value_ended();
        Ok(())
    }

    fn before_value(&mut self) -> Built {
        self.unseal()?;
        if std::mem::take(&mut self.keyed) {
            if let Some(Open::Binary(open)) = self.open.last_mut() {
                open.count();
            }
            return Ok(());
        }
        match self.open.last_mut() {
            Some(Open::Dict { .. }) => return self.fail(BuildError::KeyMissing),
            Some(Open::List { empty }) => {
                if !std::mem::take(empty) {
                    self.out().push(b',');
                }
            }
            Some(Open::Binary(open)) if open.is_dict() => {
                return self.fail(BuildError::KeyMissing);
            }
            Some(Open::Binary(open)) => open.count(),
            None => self.args.begin_entry(self.encoding, b'['),
        }
        Ok(())
    }

    fn value_ended(&mut self) {
        if self.open.is_empty() {
            self.to_kwargs = false;
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        if self.to_kwargs { &mut self.kwargs.bytes } else { &mut self.args.bytes }
    }

    fn alive(&self) -> Built {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Takes off the closing brackets and NULs that [`Builder::payload`] wrote.
    fn unseal(&mut self) -> Built {
        self.alive()?;
        if std::mem::take(&mut self.sealed) && self.encoding == Encoding::Json {
            for part in [&mut self.args, &mut self.kwargs] {
                part.bytes.truncate(part.bytes.len().saturating_sub(2));
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: BuildError) -> Built {
        Err(self.failed.get_or_insert(error).clone())
    }
}

impl Part {
    /// An entry of the outermost list or dict is about to be written.
    fn begin_entry(&mut self, encoding: Encoding, bracket: u8) {
        let first = self.bytes.is_empty();
        match encoding {
            Encoding::Json => self.bytes.push(if first { bracket } else { b',' }),
            _ if first => self.bytes.resize(HEAD, 0),
            _ => {}
        }
        self.entries += 1;
    }

    /// Makes it whole.
    fn seal(&mut self, encoding: Encoding, closing: u8) {
        (self.start, self.end) = (0, self.bytes.len());
        if self.bytes.is_empty() {
            return;
        }
        let mut head = Vec::with_capacity(HEAD);
        match (encoding, closing) {
            (Encoding::Json, closing) => {
                self.bytes.extend_from_slice(&[closing, 0]);
                self.end += 1;
                return;
            }
            (Encoding::MsgPack, b']') => MsgPack::list(&mut head, self.entries),
            (Encoding::MsgPack, _) => MsgPack::dict(&mut head, self.entries),
            (Encoding::Cbor, b']') => Cbor::list(&mut head, self.entries),
            (Encoding::Cbor, _) => Cbor::dict(&mut head, self.entries),
        }
        self.start = HEAD - head.len();
        self.bytes[self.start..HEAD].copy_from_slice(&head);
    }

    fn sealed(&self) -> Option<&[u8]> {
        (!self.bytes.is_empty()).then_some(&self.bytes[self.start..self.end])
    }
}

fn key_of<F: Format>(out: &mut Vec<u8>, key: &str) {
    F::text(out, key.len());
    out.extend_from_slice(key.as_bytes());
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
        let mut builder = Builder::new(Encoding::Json);
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
    fn each_encoding_builds_the_same() -> Built {
        let mut built = Encoding::ALL.map(|encoding| {
            let mut builder = Builder::new(encoding);
            for number in 0..40 {
                builder.int(number - 20).unwrap();
            }
            builder.key("k").unwrap();
            builder.dict().unwrap();
            for key in ["a", "b"] {
                builder.key(key).unwrap();
                builder.list().unwrap();
                (0..20).try_for_each(|_| builder.string("x")).unwrap();
                builder.end().unwrap();
            }
            builder.end().unwrap();
            builder.payload().unwrap();
            builder.double(1.0).unwrap();
            builder.binary(b"x").unwrap();
            builder
        });
        let payloads = built.each_mut().map(|builder| builder.payload().unwrap());
        for payload in &payloads[1..] {
            let json = |part: Option<&[u8]>| {
                let mut out = Vec::new();
                transcode(part.unwrap(), payload.encoding, Encoding::Json, Rules::Strict, &mut out)
                    .unwrap();
                out
            };
            assert_eq!(Some(&*json(payload.args)), payloads[0].args);
            assert_eq!(Some(&*json(payload.kwargs)), payloads[0].kwargs);
        }
        let mut builder = Builder::new(Encoding::MsgPack);
        builder.double(f64::NAN)?;
        builder.string("\0x")?;
        builder.raw(b"\x91\x01")?;
        assert_eq!(builder.payload()?.args.map(<[u8]>::len), Some(15));
        assert!(builder.raw(b"\x91").is_err() && builder.payload().is_err());
        assert_eq!(Builder::new(Encoding::Cbor).payload()?.args, None);
        Ok(())
    }

    #[test]
    fn the_first_error_sticks() {
        let mut builder = Builder::new(Encoding::Json);
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
            let mut builder = Builder::new(Encoding::Json);
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
