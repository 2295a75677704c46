//! A look at all of a value, and the comparison of two.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use wamp::codec::binary::{Cbor, Format, MsgPack, Scanner};
use wamp::codec::builder::BuildError;
use wamp::codec::json;
use wamp::codec::json::sink::key_text;
use wamp::codec::token::decimal_text;
use wamp::codec::transcode::Source;
use wamp::codec::value::{Documents, Node};
use wamp::codec::{Builder, CodecError, Encoding, MAX_DEPTH, Rules, Token, Tree};

/// A key that has no text, as it cannot be written in JSON either.
const KEY_IN_KEY: &str = "a key that has a list or dict as a key";

/// Reasons why a value that was received is not shown as a whole, or has no form in JSON, although
/// nothing is wrong with it.
const LIMITS: [&str; 3] =
    ["nested too deep (more than 128 levels)", KEY_IN_KEY, "JSON has no lists or dicts as keys"];

/// A value and the lens over it. What is asked twice must have the same answer.
pub struct Shown {
    value: Value,
    tree: RefCell<Tree>,
    answers: RefCell<HashMap<(u32, Question), Answer>>,
}

struct Value {
    encoding: Encoding,
    bytes: Vec<u8>,
}

/// Something to ask about a node.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Question {
    Node,
    Size,
    Text,
    Binary,
    Entry(usize),
    Key(usize),
    Get(Vec<u8>),
}

#[derive(Debug, PartialEq)]
enum Answer {
    Node(Option<Node>),
    /// A double, by its bits.
    Double(u64),
    Size(usize),
    Entry(Option<u32>),
    /// A text or binary, and its address.
    Lent(Option<(usize, Vec<u8>)>),
}

impl Documents for Value {
    fn document(&self, which: u32) -> Option<(Encoding, &[u8])> {
        (which == 0).then_some((self.encoding, &self.bytes))
    }
}

impl Shown {
    /// Checks a value, and shows it if it is within the limits.
    pub fn parse(encoding: Encoding, bytes: &[u8]) -> Result<Shown, CodecError> {
        // The transports let no other JSON pass. Who transcodes it takes it for this.
        let bytes = match encoding {
            Encoding::Json => Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes()),
            Encoding::MsgPack | Encoding::Cbor => Cow::Borrowed(bytes),
        };
        scan(encoding, &bytes)?;
        limits(encoding, &bytes)?;
        Ok(Shown::new(encoding, &bytes))
    }

    fn new(encoding: Encoding, bytes: &[u8]) -> Shown {
        let shown = Shown {
            value: Value { encoding, bytes: bytes.to_vec() },
            tree: RefCell::default(),
            answers: RefCell::default(),
        };
        shown.forget(0);
        shown
    }

    /// Begins anew.
    fn forget(&self, kept: usize) {
        let mut tree = self.tree.borrow_mut();
        tree.clear(kept);
        assert!(tree.room() <= 4 * kept, "{} bytes of {kept}", tree.room());
        assert_eq!((tree.nodes(), tree.node(&self.value, 0)), (0, None));
        for _ in 0..2 {
            assert_eq!((tree.root(&self.value, 1), tree.root(&self.value, 0)), (None, Some(0)));
        }
        self.answers.borrow_mut().clear();
    }

    /// The node with this number.
    pub fn node(&self, node: u32) -> Option<Node> {
        let found = self.tree.borrow().node(&self.value, node);
        let answer = match found {
            Some(Node::Double(value)) => Answer::Double(value.to_bits()),
            found => Answer::Node(found),
        };
        self.answer(node, Question::Node, answer);
        found
    }

    /// The number of entries.
    pub fn size(&self, node: u32) -> usize {
        let size = self.tree.borrow_mut().size(&self.value, node);
        self.answer(node, Question::Size, Answer::Size(size));
        size
    }

    /// The node of an entry.
    pub fn entry(&self, node: u32, entry: usize) -> Option<u32> {
        let found = self.tree.borrow_mut().entry(&self.value, node, entry);
        self.answer(node, Question::Entry(entry), Answer::Entry(found));
        found
    }

    /// The node at a key.
    pub fn get(&self, node: u32, key: &[u8]) -> Option<u32> {
        let found = self.tree.borrow_mut().get(&self.value, node, key);
        self.answer(node, Question::Get(key.to_vec()), Answer::Entry(found));
        found
    }

    /// A key.
    pub fn key(&self, node: u32, entry: usize) -> Option<String> {
        let lent =
            self.lent(node, Question::Key(entry), |tree, value| tree.key(value, node, entry));
        lent.map(|key| String::from_utf8(key).expect("UTF-8"))
    }

    /// A string.
    pub fn text(&self, node: u32) -> Option<String> {
        let lent = self.lent(node, Question::Text, |tree, value| tree.text(value, node));
        lent.map(|text| String::from_utf8(text).expect("UTF-8"))
    }

    /// The bytes of a binary.
    pub fn binary(&self, node: u32) -> Option<Vec<u8>> {
        self.lent(node, Question::Binary, |tree, value| tree.binary(value, node))
    }

    /// Appends a node to what a builder writes, as the lens does it.
    pub fn append(&self, node: u32, builder: &mut Builder) -> Result<(), BuildError> {
        self.tree.borrow_mut().append(&self.value, node, builder)
    }

    fn lent(
        &self,
        node: u32,
        question: Question,
        lend: impl for<'t> FnOnce(&'t mut Tree, &Value) -> Option<&'t [u8]>,
    ) -> Option<Vec<u8>> {
        let lent = lend(&mut self.tree.borrow_mut(), &self.value).map(|lent| {
            let (nul, bytes) = lent.split_last().expect("a NUL");
            assert_eq!(*nul, 0);
            (lent.as_ptr() as usize, bytes.to_vec())
        });
        let bytes = lent.as_ref().map(|(_, bytes)| bytes.clone());
        self.answer(node, question, Answer::Lent(lent));
        bytes
    }

    /// Compares an answer with the one that there was before.
    fn answer(&self, node: u32, question: Question, answer: Answer) {
        // One that is not there yet may come.
        if node >= self.tree.borrow().nodes() {
            return;
        }
        match self.answers.borrow_mut().entry((node, question)) {
            Entry::Vacant(first) => drop(first.insert(answer)),
            Entry::Occupied(first) => {
                let (node, question) = first.key();
                assert_eq!(*first.get(), answer, "{question:?} of node {node} of {self:?}");
            }
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value { encoding, bytes } = &self.value;
        write!(out, "{} b\"{}\"", encoding.name(), bytes.escape_ascii())
    }
}

/// Checks a value as a reader does.
fn scan(encoding: Encoding, bytes: &[u8]) -> Result<(), CodecError> {
    fn encoded<F: Format>(bytes: &[u8]) -> Result<(), CodecError> {
        let mut scan = Scanner::<F>::new(bytes);
        scan.skip_value()?;
        match scan.is_at_end() {
            true => Ok(()),
            false => Err(scan.error("something follows the end of the value")),
        }
    }
    match encoding {
        Encoding::Json => json::check_value(bytes, Rules::Tolerant).map(drop),
        Encoding::MsgPack => encoded::<MsgPack>(bytes),
        Encoding::Cbor => encoded::<Cbor>(bytes),
    }
}

/// Checks a value token by token, and that all of it can be shown.
fn limits(encoding: Encoding, bytes: &[u8]) -> Result<(), CodecError> {
    struct Open {
        dict: bool,
        keyed: bool,
        in_key: bool,
    }
    let mut source = Source::new(encoding, bytes, Rules::Tolerant);
    let mut open: Vec<Open> = Vec::new();
    while let Some(token) = source.next_token()? {
        if let Token::Tag(_) = token {
            continue;
        }
        if token == Token::End {
            open.pop();
            continue;
        }
        let (mut is_key, mut in_key) = (false, false);
        if let Some(parent) = open.last_mut() {
            parent.keyed = parent.dict && !parent.keyed;
            (is_key, in_key) = (parent.keyed, parent.in_key);
        }
        if let Token::List(_) | Token::Dict(_) = token {
            if is_key && in_key {
                return Err(CodecError { at: source.at(), what: KEY_IN_KEY });
            }
            let dict = matches!(token, Token::Dict(_));
            open.push(Open { dict, keyed: false, in_key: in_key || is_key });
        }
    }
    source.finish()
}

/// Looks at all of a value that a reader has let pass; `None` where it is beyond what can be shown.
pub fn look(encoding: Encoding, bytes: &[u8]) -> Option<Shown> {
    assert_eq!(scan(encoding, bytes), Ok(()), "a value that was let pass");
    let Some(shown) = within_limits(Shown::parse(encoding, bytes)) else {
        ask_in_all_orders(&Shown::new(encoding, bytes));
        return None;
    };
    walk(&shown);
    Some(shown)
}

/// `None` for an error that is one of the limits.
pub fn within_limits<T>(result: Result<T, CodecError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if LIMITS.contains(&error.what) => None,
        Err(error) => panic!("a value that was let pass is refused: {error}"),
    }
}

/// Asks for everything that a tree has, and compares it with what a source tells.
pub fn walk(shown: &Shown) {
    Told::new(shown).all();
    ask_in_all_orders(shown);
    Told::new(shown).all();
}

/// The question that comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    /// Of the whole value its first entry, and so on, before anything else.
    Entries,
    Size,
    /// Of every other node its first entry, of the others a key.
    Turns,
}

fn ask_in_all_orders(shown: &Shown) {
    for (order, kept) in [(Order::Entries, 0), (Order::Size, 4096), (Order::Turns, 0)] {
        shown.forget(kept);
        ask(shown, order);
    }
}

/// Asks for everything that a tree has, and for some of what it has not.
fn ask(shown: &Shown, order: Order) {
    let mut waiting = vec![(0, 0)];
    let mut nodes = 0_u32;
    while let Some((node, depth)) = waiting.pop() {
        nodes += 1;
        let mut first = Some(node);
        match order {
            Order::Entries => {
                while let Some(node) = first {
                    first = shown.entry(node, 0).filter(|_| nodes == 1);
                }
            }
            Order::Size => {}
            Order::Turns if node % 2 == 0 => drop(shown.entry(node, 0)),
            Order::Turns => drop((shown.key(node, 0), shown.get(node, b""))),
        }
        let size = shown.size(node);
        assert!(depth < MAX_DEPTH || size == 0, "{size} entries at depth {depth}");
        assert_eq!(shown.entry(node, 0).is_some(), size > 0);
        assert_eq!((shown.entry(node, size), shown.key(node, size)), (None, None));
        let kind = shown.node(node).expect("a node");
        assert_eq!(shown.text(node).is_some(), kind == Node::String);
        assert_eq!(shown.binary(node).is_some(), kind == Node::Binary);
        match kind {
            Node::Dict => ask_for_keys(shown, node, size),
            Node::List => assert_eq!((shown.key(node, 0), shown.get(node, b"")), (None, None)),
            _ => assert_eq!((size, shown.key(node, 0), shown.get(node, b"")), (0, None, None)),
        }
        let entries = (0..size).map(|entry| shown.entry(node, entry).expect("an entry"));
        waiting.extend(entries.map(|entry| (entry, depth + 1)));
    }
    assert_eq!(shown.tree.borrow().nodes(), nodes, "nodes without a parent");
    assert_eq!(shown.node(nodes), None);
}

fn ask_for_keys(shown: &Shown, node: u32, size: usize) {
    let keys: Vec<_> = (0..size).map(|entry| shown.key(node, entry)).collect();
    // Each of which takes as long as the dict is large. One beyond the limits has no text.
    for key in keys.iter().take(8).flatten() {
        let last = keys.iter().rposition(|other| other.as_ref() == Some(key)).expect("itself");
        assert_eq!(shown.get(node, key.as_bytes()), shown.entry(node, last), "{key:?}");
    }
}

/// A value as a source tells it, from its first token to its last.
struct Told<'a> {
    shown: &'a Shown,
    source: Source<'a>,
}

impl<'a> Told<'a> {
    fn new(shown: &'a Shown) -> Told<'a> {
        let Value { encoding, bytes } = &shown.value;
        Told { shown, source: Source::new(*encoding, bytes, Rules::Tolerant) }
    }

    fn all(mut self) {
        let token = self.token();
        self.compare(token, 0);
        assert_eq!(self.source.next_token(), Ok(None));
    }

    fn token(&mut self) -> Token<'a> {
        loop {
            match self.source.next_token().expect("a good value").expect("a token") {
                Token::Tag(_) => {}
                token => return token,
            }
        }
    }

    /// Compares the value that begins with this token with a node.
    fn compare(&mut self, token: Token<'a>, node: u32) {
        let shown = self.shown;
        let (kind, bytes) = match token {
            Token::List(_) => (Node::List, None),
            Token::Dict(_) => (Node::Dict, None),
            token => scalar(token),
        };
        match (kind, shown.node(node).expect("a node")) {
            (Node::Double(told), Node::Double(double)) => {
                let is_same = told.to_bits() == double.to_bits();
                assert!(is_same || told.is_nan() && double.is_nan(), "{told}, not {double}");
            }
            (kind, node) => assert_eq!(node, kind, "{shown:?}"),
        }
        match kind {
            Node::String => assert_eq!(shown.text(node).map(String::into_bytes), bytes),
            Node::Binary => assert_eq!(shown.binary(node), bytes),
            Node::List | Node::Dict => self.compare_entries(kind, node),
            _ => {}
        }
    }

    fn compare_entries(&mut self, kind: Node, node: u32) {
        let shown = self.shown;
        for entry in 0.. {
            let mut token = self.token();
            if token == Token::End {
                return assert_eq!(shown.size(node), entry, "{shown:?}");
            }
            // In this order: of the first entry the value is found alone.
            let value = shown.entry(node, entry);
            if kind == Node::Dict {
                let key = self.key(token);
                assert_eq!(shown.key(node, entry), Some(key), "a key of {shown:?}");
                token = self.token();
            }
            self.compare(token, value.unwrap_or_else(|| panic!("no entry {entry} of {shown:?}")));
        }
    }

    /// The text of the key that begins with this token.
    fn key(&mut self, token: Token<'a>) -> String {
        if let Some(text) = key_text(&token) {
            return text;
        }
        let mut text = Vec::new();
        let mut sink = json::Sink::new(&mut text, Rules::Tolerant);
        let (mut token, mut open) = (token, 0);
        loop {
            sink.token(&token).expect("a key within the limits");
            match token {
                Token::List(_) | Token::Dict(_) => open += 1,
                Token::End => open -= 1,
                _ => {}
            }
            if open == 0 {
                return String::from_utf8(text).expect("UTF-8");
            }
            token = self.token();
        }
    }
}

/// The node and text of a token that is neither a list nor a dict.
fn scalar(token: Token<'_>) -> (Node, Option<Vec<u8>>) {
    let node = match token {
        Token::Null => Node::Null,
        Token::Bool(value) => Node::Bool(value),
        Token::Uint(value) => i64::try_from(value).map_or(Node::Uint(value), Node::Int),
        Token::Negative(value) => match i64::try_from(value) {
            Ok(value) => Node::Int(-1 - value),
            Err(_) => Node::Double((-1 - i128::from(value)) as f64),
        },
        Token::Big(big) => Node::Double(big.float()),
        Token::Decimal(exponent, mantissa) => {
            let nearest = decimal_text(exponent, &mantissa).and_then(|text| text.parse().ok());
            Node::Double(nearest.unwrap_or_else(|| mantissa.float()))
        }
        Token::Float(value) => Node::Double(value),
        Token::Text(text) => return (Node::String, Some(text.into_owned().into_bytes())),
        Token::Binary(bytes) => return (Node::Binary, Some(bytes.into_owned())),
        Token::Ext(_, bytes) => return (Node::Binary, Some(bytes.to_vec())),
        Token::Timestamp(timestamp) => match timestamp.text() {
            Some(text) => return (Node::String, Some(text.into_bytes())),
            None => Node::Int(timestamp.seconds),
        },
        other => panic!("{other:?} is no value"),
    };
    (node, None)
}

/// True if both keys are the same. One that is a number has different texts as a decimal fraction
/// and as a double, and so has a list or dict with such numbers.
fn same_key(one: Option<String>, other: Option<String>) -> bool {
    let (Some(one), Some(other)) = (&one, &other) else {
        return one == other;
    };
    let number = |key: &str| key.parse::<f64>().ok();
    let container = |key: &str| {
        let is_one = key.starts_with(['[', '{']);
        is_one.then(|| Shown::parse(Encoding::Json, key.as_bytes()).ok()).flatten()
    };
    one == other
        || number(one).is_some_and(|one| number(other) == Some(one))
        || container(one).zip(container(other)).is_some_and(|(a, b)| same((&a, 0), (&b, 0)))
}

/// True if both nodes show the same value. NaN is NaN.
pub fn same(one: (&Shown, u32), other: (&Shown, u32)) -> bool {
    let mut pairs = vec![(one.1, other.1)];
    let (one, other) = (one.0, other.0);
    while let Some((a, b)) = pairs.pop() {
        let same = match (one.node(a), other.node(b)) {
            (Some(Node::String), Some(Node::String)) => one.text(a) == other.text(b),
            (Some(Node::Binary), Some(Node::Binary)) => one.binary(a) == other.binary(b),
            (Some(Node::Double(a)), Some(Node::Double(b))) => {
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
            }
            (Some(Node::List), Some(Node::List)) | (Some(Node::Dict), Some(Node::Dict)) => {
                for entry in 0..one.size(a) {
                    if !same_key(one.key(a, entry), other.key(b, entry)) {
                        return false;
                    }
                    pairs.extend(one.entry(a, entry).zip(other.entry(b, entry)));
                }
                one.size(a) == other.size(b)
            }
            (a, b) => a == b,
        };
        if !same {
            return false;
        }
    }
    true
}
