//! A read-only tree over received values, which grows as far as somebody looks.
//!
//! Nothing is read before it is asked for: the first entry of a list costs a look at its first
//! byte, and a string is copied when it is lent. Only where a program looks at more than the first
//! entry of a list or dict the places of all its entries are noted. Who walks through all levels
//! of a large value would step over the inner ones again and again: after some of that all that is
//! in a container is noted at once.
//!
//! The tree does not have the bytes, which are given with each look ([`Documents`]), but owns the
//! strings that it lends: they are unescaped and NUL-terminated, for C. Nodes are numbered in the
//! order in which they are found. Kinds of numbers follow the text: whole numbers are [`Node::Int`]
//! or, beyond `i64`, [`Node::Uint`]; all others, also whole numbers beyond `u64`, are
//! [`Node::Double`]. What has no node is shown as it would be in JSON: see the table of
//! [`super::transcode`](mod@super::transcode).

mod arena;
mod found;
mod inside;

#[cfg(test)]
mod tests;

use super::builder::{BuildError, Builder};
use super::json::sink::key_text;
use super::json::text::unescape;
use super::transcode::{Source, transcode};
use super::{Encoding, MAX_DEPTH, Rules, Token};

use arena::{Arena, Place};
use found::Found;
use inside::Inside;

/// One value of the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number that fits `i64`.
    Int(i64),
    /// A whole number beyond `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Double(f64),
    /// Text: see [`Tree::text`].
    String,
    /// Bytes: see [`Tree::binary`].
    Binary,
    /// A list: see [`Tree::entry`].
    List,
    /// A dict: see [`Tree::entry`] and [`Tree::get`].
    Dict,
}

/// The encoded values that a tree shows. They must be the same at each look.
pub trait Documents {
    /// The value with this number. Numbers that are looked at should be small.
    fn document(&self, which: u32) -> Option<(Encoding, &[u8])>;
}

/// The part of some values that has been found so far.
#[derive(Debug, Default)]
pub struct Tree {
    /// The nodes of whole documents, by their numbers.
    roots: Vec<Option<u32>>,
    branches: Vec<Branch>,
    /// The entries of all containers that were looked into.
    links: Vec<Link>,
    spare_links: Vec<Link>,
    arena: Arena,
    /// The bytes that were stepped over so far to find entries.
    stepped: usize,
}

/// A value that was found.
#[derive(Debug, Clone, Copy)]
struct Branch {
    document: u32,
    depth: u8,
    /// The place in the document.
    at: u32,
    known: Known,
}

/// The knowledge of a value beyond its place.
#[derive(Debug, Clone, Copy)]
enum Known {
    Nothing,
    /// The string or binary that was lent.
    Lent(Place),
    /// The node of the first entry.
    First(u32),
    /// All entries: where their links begin, and how many there are.
    Entries(u32, u32),
}

/// An entry of a list or dict.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// The place of a key in the document.
    key: u32,
    node: u32,
    /// The key, if it was lent.
    lent: Option<Place>,
}

impl Tree {
    /// The node of a whole document; `None` if there is no such document.
    pub fn root(&mut self, documents: &impl Documents, document: u32) -> Option<u32> {
        let number = document as usize;
        if let Some(Some(root)) = self.roots.get(number) {
            return Some(*root);
        }
        let (_, bytes) = documents.document(document)?;
        if bytes.len() > u32::MAX as usize / 2 {
            return None;
        }
        let root = self.add(document, 0, 0);
        if self.roots.len() < number {
            self.roots.resize(number, None);
        }
        match self.roots.get_mut(number) {
            Some(place) => *place = Some(root),
            None => self.roots.push(Some(root)),
        }
        Some(root)
    }

    /// The number of nodes so far.
    pub fn nodes(&self) -> u32 {
        self.branches.len() as u32
    }

    /// The node with this number.
    pub fn node(&self, documents: &impl Documents, index: u32) -> Option<Node> {
        Some(match self.find(documents, index)? {
            Found::Node(node) => node,
            Found::Escaped(_) | Found::Text(_) => Node::String,
            Found::Binary(_) => Node::Binary,
        })
    }

    /// A string, with the NUL that follows it; `None` for everything else.
    pub fn text(&mut self, documents: &impl Documents, index: u32) -> Option<&[u8]> {
        let place = match self.find(documents, index)? {
            Found::Escaped(_) | Found::Text(_) if let Some(place) = self.lent(index) => place,
            Found::Escaped(inner) => self.lend(index, unescape(inner).as_bytes()),
            Found::Text(text) => self.lend(index, &text),
            Found::Node(_) | Found::Binary(_) => return None,
        };
        Some(self.arena.text(place))
    }

    /// The bytes of a binary value, with a NUL that follows them; `None` for everything else.
    pub fn binary(&mut self, documents: &impl Documents, index: u32) -> Option<&[u8]> {
        let place = match self.find(documents, index)? {
            Found::Binary(_) if let Some(place) = self.lent(index) => place,
            Found::Binary(bytes) => self.lend(index, &bytes),
            Found::Node(_) | Found::Escaped(_) | Found::Text(_) => return None,
        };
        Some(self.arena.text(place))
    }

    /// The number of entries that the node has; 0 unless it is a list or dict.
    pub fn size(&mut self, documents: &impl Documents, index: u32) -> usize {
        self.entries(documents, index).map_or(0, |(_, count)| count as usize)
    }

    /// The `entry`-th value of a list or dict.
    pub fn entry(&mut self, documents: &impl Documents, index: u32, entry: usize) -> Option<u32> {
        if entry == 0 && !matches!(self.branch(index)?.known, Known::Entries(..)) {
            return self.first(documents, index);
        }
        Some(self.link(documents, index, entry)?.node)
    }

    /// The `entry`-th key of a dict, with the NUL that follows it.
    pub fn key(&mut self, documents: &impl Documents, index: u32, entry: usize) -> Option<&[u8]> {
        if self.node(documents, index)? != Node::Dict {
            return None;
        }
        let link = *self.link(documents, index, entry)?;
        let place = match link.lent {
            Some(place) => place,
            None => {
                let (encoding, bytes) = self.document(documents, index)?;
                let place = self.arena.push(&key_at(encoding, bytes, link.key as usize)?);
                self.link(documents, index, entry)?.lent = Some(place);
                place
            }
        };
        Some(self.arena.text(place))
    }

    /// The value at `key` of a dict; the last one where the key stands twice.
    pub fn get(&mut self, documents: &impl Documents, index: u32, key: &[u8]) -> Option<u32> {
        if self.node(documents, index)? != Node::Dict {
            return None;
        }
        let (start, count) = self.entries(documents, index)?;
        let (encoding, bytes) = self.document(documents, index)?;
        let links = self.links.get(start as usize..(start + count) as usize)?;
        let wanted = |link: &&Link| has_key(encoding, bytes, link.key as usize, key);
        links.iter().rev().find(wanted).map(|link| link.node)
    }

    /// Appends a node, with all that is in it, to what a builder writes.
    pub fn append(
        &mut self,
        documents: &impl Documents,
        index: u32,
        builder: &mut Builder,
    ) -> Result<(), BuildError> {
        let text = |bytes: Option<&[u8]>| {
            let bytes = bytes.and_then(<[u8]>::split_last).map_or(&[][..], |(_, bytes)| bytes);
            String::from_utf8_lossy(bytes).into_owned()
        };
        let node = self.node(documents, index).unwrap_or(Node::Null);
        match node {
            Node::Null => builder.null(),
            Node::Bool(value) => builder.bool(value),
            Node::Int(value) => builder.int(value),
            Node::Uint(value) => builder.uint(value),
            Node::Double(value) => builder.double(value),
            Node::String => builder.string(&text(self.text(documents, index))),
            Node::Binary => {
                let bytes = self.binary(documents, index).and_then(<[u8]>::split_last);
                builder.binary(bytes.map_or(&[], |(_, bytes)| bytes))
            }
            Node::List | Node::Dict => {
                if node == Node::List {
                    builder.list()?;
                } else {
                    builder.dict()?;
                }
                for entry in 0..self.size(documents, index) {
                    if node == Node::Dict {
                        builder.key(&text(self.key(documents, index, entry)))?;
                    }
                    if let Some(value) = self.entry(documents, index, entry) {
                        self.append(documents, value, builder)?;
                    }
                }
                builder.end()
            }
        }
    }

    /// Forgets everything, for other documents. Of its room up to `kept` bytes for texts stay, and
    /// as many for each of its lists.
    pub fn clear(&mut self, kept: usize) {
        if self.branches.is_empty() {
            return;
        }
        self.stepped = 0;
        clear(&mut self.roots, kept);
        clear(&mut self.branches, kept);
        clear(&mut self.links, kept);
        clear(&mut self.spare_links, kept);
        self.arena.clear(kept);
    }

    /// The bytes of room that its texts, nodes and links have.
    pub fn room(&self) -> usize {
        self.arena.room() + room(&self.branches) + room(&self.links)
    }

    // ===== finding =====

    fn branch(&self, index: u32) -> Option<Branch> {
        self.branches.get(index as usize).copied()
    }

    fn document<'d>(
        &self,
        documents: &'d impl Documents,
        index: u32,
    ) -> Option<(Encoding, &'d [u8])> {
        documents.document(self.branch(index)?.document)
    }

    fn find<'d>(&self, documents: &'d impl Documents, index: u32) -> Option<Found<'d>> {
        let (encoding, bytes) = self.document(documents, index)?;
        Found::at(encoding, bytes, self.branch(index)?.at as usize)
    }

    fn lent(&self, index: u32) -> Option<Place> {
        match self.branch(index)?.known {
            Known::Lent(place) => Some(place),
            Known::Nothing | Known::First(_) | Known::Entries(..) => None,
        }
    }

    fn lend(&mut self, index: u32, bytes: &[u8]) -> Place {
        let place = self.arena.push(bytes);
        self.branches[index as usize].known = Known::Lent(place);
        place
    }

    fn add(&mut self, document: u32, depth: u8, at: usize) -> u32 {
        let index = self.branches.len() as u32;
        self.branches.push(Branch { document, depth, at: at as u32, known: Known::Nothing });
        index
    }

    /// The first entry, without a look at the others.
    fn first(&mut self, documents: &impl Documents, index: u32) -> Option<u32> {
        let branch = self.branch(index)?;
        if let Known::First(node) = branch.known {
            return Some(node);
        }
        let (encoding, bytes) = self.document(documents, index)?;
        let first = self.enter(encoding, bytes, branch)?.entry()?;
        let node = self.add(branch.document, branch.depth + 1, first.value);
        self.branches[index as usize].known = Known::First(node);
        Some(node)
    }

    /// Enters a container, unless it lies too deep.
    fn enter<'d>(&self, encoding: Encoding, bytes: &'d [u8], branch: Branch) -> Option<Inside<'d>> {
        if usize::from(branch.depth) >= MAX_DEPTH {
            return None;
        }
        Inside::enter(encoding, bytes, branch.at as usize)
    }

    fn link(&mut self, documents: &impl Documents, index: u32, entry: usize) -> Option<&mut Link> {
        let (start, count) = self.entries(documents, index)?;
        if entry >= count as usize {
            return None;
        }
        self.links.get_mut(start as usize + entry)
    }

    /// The links of a container; `None` for everything else.
    fn entries(&mut self, documents: &impl Documents, index: u32) -> Option<(u32, u32)> {
        let branch = self.branch(index)?;
        if let Known::Entries(start, count) = branch.known {
            return Some((start, count));
        }
        let (encoding, bytes) = self.document(documents, index)?;
        // Not much more than four looks at each byte, however deep a program goes.
        let all = self.stepped > bytes.len().saturating_mul(4);
        let end = self.note(encoding, bytes, index, all)?;
        self.stepped = self.stepped.saturating_add(end.saturating_sub(branch.at as usize));
        match self.branch(index)?.known {
            Known::Entries(start, count) => Some((start, count)),
            Known::Nothing | Known::Lent(_) | Known::First(_) => None,
        }
    }

    /// Notes the entries of a container, with `all` also those of all containers in it. Returns
    /// where it ends; `None` if it is no container, or noted already.
    fn note(&mut self, encoding: Encoding, bytes: &[u8], index: u32, all: bool) -> Option<usize> {
        let branch = self.branch(index)?;
        let mut first = match branch.known {
            Known::Nothing => None,
            Known::First(node) => Some(node),
            Known::Lent(_) | Known::Entries(..) => return None,
        };
        let mut inside = self.enter(encoding, bytes, branch)?;
        let mut links = std::mem::take(&mut self.spare_links);
        while let Some(entry) = inside.entry() {
            let new = || self.add(branch.document, branch.depth + 1, entry.value);
            let node = first.take().unwrap_or_else(new);
            links.push(Link { key: entry.key as u32, node, lent: None });
            match all.then(|| self.note(encoding, bytes, node, true)).flatten() {
                Some(end) => inside.go_on(end),
                None if inside.skip().is_none() => break,
                None => {}
            }
        }
        let known = Known::Entries(self.links.len() as u32, links.len() as u32);
        self.links.append(&mut links);
        self.spare_links = links;
        self.branches[index as usize].known = known;
        Some(inside.at())
    }
}

/// A key as text. What is none is shown as its value would be in JSON.
fn key_at(encoding: Encoding, bytes: &[u8], at: usize) -> Option<Vec<u8>> {
    if let Some(text) = found::plain_key(encoding, bytes, at) {
        return Some(text.to_vec());
    }
    let rest = bytes.get(at..)?;
    if encoding == Encoding::Json {
        let mut scan = super::json::scan::Scanner::new(rest, Rules::Tolerant);
        return Some(unescape(scan.skip_string().ok()?).into_owned().into_bytes());
    }
    let mut source = Source::new(encoding, rest, Rules::Tolerant);
    let token = loop {
        match source.next_token().ok()?? {
            Token::Tag(_) => {}
            token => break token,
        }
    };
    if let Some(text) = key_text(&token) {
        return Some(text.into_bytes());
    }
    let mut end = Inside::enter(encoding, rest, 0)?;
    while end.entry().is_some() {
        end.skip()?;
    }
    let mut text = Vec::new();
    let key = &rest[..end.at()];
    match transcode(key, encoding, Encoding::Json, Rules::Tolerant, &mut text) {
        Ok(()) => Some(text),
        // Too deep, or with such keys itself: there is an entry all the same.
        Err(_) => Some(Vec::new()),
    }
}

fn has_key(encoding: Encoding, bytes: &[u8], at: usize, key: &[u8]) -> bool {
    match found::plain_key(encoding, bytes, at) {
        Some(plain) => plain == key,
        None => key_at(encoding, bytes, at).is_some_and(|text| text == key),
    }
}

fn clear<T>(list: &mut Vec<T>, kept: usize) {
    list.clear();
    if room(list) > kept {
        *list = Vec::new();
    }
}

fn room<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}
