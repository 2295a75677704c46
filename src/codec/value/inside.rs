//! Steps through the entries of one list or dict, whatever its encoding.
//!
//! All of it was checked when it came in; where it is wrong all the same, the container ends there.

use crate::codec::binary::{self, Cbor, Format, Head, MsgPack};
use crate::codec::json::scan::{self, Rules};
use crate::codec::transcode::Source;
use crate::codec::{Encoding, Token};

/// The inside of a container.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    walk: Walk<'a>,
    pub(super) dict: bool,
}

/// A position between two entries.
#[derive(Debug)]
enum Walk<'a> {
    Json {
        scan: scan::Scanner<'a>,
        begun: bool,
    },
    /// The entries that follow; `None`: up to a break.
    MsgPack(binary::Scanner<'a, MsgPack>, Option<u64>),
    Cbor(binary::Scanner<'a, Cbor>, Option<u64>),
}

/// The place of an entry: where its key begins (of a list, the value), and its value.
pub(super) struct Entry {
    pub(super) key: usize,
    pub(super) value: usize,
}

impl<'a> Inside<'a> {
    /// Enters the container that begins at `at`; `None` if none does.
    pub(super) fn enter(encoding: Encoding, bytes: &'a [u8], at: usize) -> Option<Inside<'a>> {
        match encoding {
            Encoding::Json => {
                let mut scan = scan::Scanner::new(bytes, Rules::Tolerant);
                scan.seek(at);
                scan.skip_space();
                let dict = match scan.peek()? {
                    b'[' => false,
                    b'{' => true,
                    _ => return None,
                };
                scan.bump();
                Some(Inside { walk: Walk::Json { scan, begun: false }, dict })
            }
            Encoding::MsgPack => {
                let (scan, left, dict) = enter::<MsgPack>(bytes, at)?;
                Some(Inside { walk: Walk::MsgPack(scan, left), dict })
            }
            Encoding::Cbor => {
                let (scan, left, dict) = enter::<Cbor>(bytes, at)?;
                Some(Inside { walk: Walk::Cbor(scan, left), dict })
            }
        }
    }

    /// Steps to the value of the next entry; `None` behind the last one.
    pub(super) fn entry(&mut self) -> Option<Entry> {
        match &mut self.walk {
            Walk::Json { scan, begun } => {
                scan.skip_space();
                match scan.peek()? {
                    b']' | b'}' => {
                        scan.bump();
                        return None;
                    }
                    b',' if *begun => scan.bump(),
                    _ if *begun => return None,
                    _ => *begun = true,
                }
                scan.skip_space();
                let key = scan.at();
                if self.dict {
                    scan.skip_key().ok()?;
                    scan.skip_space();
                }
                Some(Entry { key, value: scan.at() })
            }
            Walk::MsgPack(scan, left) => entry(scan, left, self.dict),
            Walk::Cbor(scan, left) => entry(scan, left, self.dict),
        }
    }

    /// Steps over the value of the entry.
    pub(super) fn skip(&mut self) -> Option<()> {
        match &mut self.walk {
            Walk::Json { scan, .. } => scan.skip_value().ok().map(drop),
            Walk::MsgPack(scan, _) => scan.skip_value().ok().map(drop),
            Walk::Cbor(scan, _) => scan.skip_value().ok().map(drop),
        }
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> usize {
        match &self.walk {
            Walk::Json { scan, .. } => scan.at(),
            Walk::MsgPack(scan, _) => scan.at(),
            Walk::Cbor(scan, _) => scan.at(),
        }
    }

    /// Goes on behind the value of the entry, which somebody else has stepped over.
    pub(super) fn go_on(&mut self, at: usize) {
        match &mut self.walk {
            Walk::Json { scan, .. } => scan.seek(at),
            Walk::MsgPack(scan, _) => scan.seek(at),
            Walk::Cbor(scan, _) => scan.seek(at),
        }
    }
}

type Entered<'a, F> = (binary::Scanner<'a, F>, Option<u64>, bool);

fn enter<F: Format>(bytes: &[u8], at: usize) -> Option<Entered<'_, F>> {
    let mut scan = binary::Scanner::<F>::new(bytes);
    scan.seek(at);
    match scan.head().ok()? {
        Head::List(left) => Some((scan, left, false)),
        Head::Dict(left) => Some((scan, left, true)),
        // A tag may make something else of a list: who reads tokens knows.
        Head::Tag(_) => {
            let rest = bytes.get(at..)?;
            let mut source = Source::new(F::ENCODING, rest, Rules::Tolerant);
            let (left, dict) = loop {
                match source.next_token().ok()?? {
                    Token::Tag(_) => {}
                    Token::List(left) => break (left, false),
                    Token::Dict(left) => break (left, true),
                    _ => return None,
                }
            };
            scan.seek(at + source.at());
            Some((scan, left.map(|left| left as u64), dict))
        }
        _ => None,
    }
}

fn entry<F: Format>(
    scan: &mut binary::Scanner<'_, F>,
    left: &mut Option<u64>,
    dict: bool,
) -> Option<Entry> {
    match left {
        Some(left) => *left = left.checked_sub(1)?,
        None if scan.peek().ok()? == Head::Break => {
            scan.head().ok()?;
            return None;
        }
        None => {}
    }
    let key = scan.at();
    if dict {
        scan.skip_value().ok()?;
    }
    Some(Entry { key, value: scan.at() })
}
