//! The lens over a value and the builder of payloads: what the one shows the other can build, and
//! whatever is asked of a builder, it builds something good or nothing.

use wamp::codec::builder::BuildError;
use wamp::codec::check::check_payload;
use wamp::codec::value::Node;
use wamp::codec::{Builder, Encoding, Rules};

use super::tree::Shown;
use super::{encoding, tree};

/// The first byte is the encoding and what to do; the rest is a value, or steps of a builder.
pub fn run(data: &[u8]) {
    let Some((encoding, rest)) = encoding(data) else {
        return;
    };
    // As digits: 0, 1, 2 and 3, 4, 5.
    match data[0] / 3 % 2 {
        0 => rebuild(encoding, rest),
        _ => steps(encoding, rest),
    }
}

/// Builds in each encoding what the lens shows.
fn rebuild(encoding: Encoding, bytes: &[u8]) {
    let Ok(shown) = Shown::parse(encoding, bytes) else {
        return;
    };
    tree::walk(&shown);
    for encoding in Encoding::ALL {
        let mut builder = Builder::new(encoding);
        let built = build(&shown, 0, &mut builder);
        let mut appended = Builder::new(encoding);
        assert_eq!(shown.append(0, &mut appended), built);
        let payload = built.and_then(|()| builder.payload());
        assert_eq!(appended.payload(), payload);
        let args = match payload {
            Ok(payload) => payload.args.expect("args"),
            // One level more than the value, which may have all that there can be.
            Err(BuildError::TooDeep) => continue,
            Err(BuildError::NotFinite | BuildError::LeadingNul) if encoding == Encoding::Json => {
                continue;
            }
            Err(error) => panic!("what is shown cannot be built: {error}"),
        };
        let again = Shown::parse(encoding, args).expect("a payload");
        let value = again.entry(0, 0).expect("a value");
        assert_eq!(again.size(0), 1);
        assert!(tree::same((&shown, 0), (&again, value)), "{shown:?} has become {again:?}");
    }
}

fn build(shown: &Shown, node: u32, builder: &mut Builder) -> Result<(), BuildError> {
    match shown.node(node).expect("a node") {
        Node::Null => builder.null(),
        Node::Bool(value) => builder.bool(value),
        Node::Int(value) => builder.int(value),
        Node::Uint(value) => builder.uint(value),
        Node::Double(value) => builder.double(value),
        Node::String => builder.string(&shown.text(node).expect("a text")),
        Node::Binary => builder.binary(&shown.binary(node).expect("a binary")),
        kind @ (Node::List | Node::Dict) => {
            if kind == Node::Dict {
                builder.dict()?
            } else {
                builder.list()?
            }
            for entry in 0..shown.size(node) {
                if let Some(key) = shown.key(node, entry) {
                    builder.key(&key)?;
                }
                build(shown, shown.entry(node, entry).expect("a value"), builder)?;
            }
            builder.end()
        }
    }
}

/// What must come of the steps so far.
#[derive(Default)]
struct Expected {
    args: usize,
    kwargs: usize,
    depth: usize,
    /// At the top, a key has come.
    keyed: bool,
    /// Something came that was encoded already.
    raw: bool,
    failed: Option<BuildError>,
}

impl Expected {
    fn value(&mut self) {
        if self.depth > 0 {
            return;
        }
        match std::mem::take(&mut self.keyed) {
            true => self.kwargs += 1,
            false => self.args += 1,
        }
    }
}

fn steps(encoding: Encoding, script: &[u8]) {
    let mut builder = Builder::new(encoding);
    let mut expected = Expected::default();
    let mut script = Script(script);
    while let Some(step) = script.byte() {
        let done = match step {
            b'n' => builder.null(),
            b't' => builder.bool(true),
            b'i' => builder.int(i64::from_le_bytes(script.eight())),
            b'u' => builder.uint(u64::from_le_bytes(script.eight())),
            b'd' => builder.double(f64::from_le_bytes(script.eight())),
            b's' => builder.string(&String::from_utf8_lossy(script.bytes())),
            b'b' => builder.binary(script.bytes()),
            b'r' => builder.raw(script.bytes()),
            b'k' => builder.key(&String::from_utf8_lossy(script.bytes())),
            b'[' => builder.list(),
            b'{' => builder.dict(),
            b']' => builder.end(),
            b'!' => builder.refuse("not a value".to_owned()),
            b'x' => {
                builder.reset();
                expected = Expected::default();
                continue;
            }
            _ => {
                take(&mut builder, encoding, &expected);
                continue;
            }
        };
        if let Some(failed) = &expected.failed {
            assert_eq!(done.as_ref(), Err(failed), "the first error has gone");
            continue;
        }
        if let Err(error) = done {
            expected.failed = Some(error);
            continue;
        }
        expected.raw |= step == b'r';
        match step {
            b'k' => expected.keyed |= expected.depth == 0,
            b'[' | b'{' => expected.depth += 1,
            b']' => {
                expected.depth -= 1;
                expected.value();
            }
            _ => expected.value(),
        }
    }
    take(&mut builder, encoding, &expected);
}

fn take(builder: &mut Builder, encoding: Encoding, expected: &Expected) {
    let payload = match (builder.payload(), &expected.failed) {
        (Err(error), Some(failed)) => return assert_eq!(&error, failed),
        (Err(error), None) => {
            assert_eq!(error, BuildError::StillOpen);
            return assert!(expected.keyed || expected.depth > 0);
        }
        (Ok(_), Some(failed)) => panic!("a payload in spite of an error: {failed}"),
        (Ok(payload), None) => payload,
    };
    assert!(!expected.keyed && expected.depth == 0);
    match check_payload(payload.args, payload.kwargs, encoding, Rules::Strict) {
        Ok(_) => {}
        // Within lists of the builder; who sends it is told.
        Err((_, error)) if expected.raw && error.what.starts_with("nested too deep") => return,
        Err((part, error)) => panic!("{part}: {error}"),
    }
    for (part, size) in [(payload.args, expected.args), (payload.kwargs, expected.kwargs)] {
        let found = part.map(|part| tree::look(encoding, part).map(|tree| tree.size(0)));
        assert_eq!(found.flatten().unwrap_or(size), size);
        assert_eq!(part.is_some(), size > 0);
    }
}

/// What is left of the steps.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// As many bytes as the next byte says, as a digit from 0 on.
    fn bytes(&mut self) -> &'a [u8] {
        let size = usize::from(self.byte().unwrap_or(b'0').wrapping_sub(b'0'));
        let (bytes, rest) = self.0.split_at(size.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn eight(&mut self) -> [u8; 8] {
        let (bytes, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        eight
    }
}
