//! What must come of frames, by a plain reading of RFC 6455, RFC 7692 and the batches of WAMP: all
//! bytes are there already, and nobody minds how fast it is.

use flate2::{Decompress, FlushDecompress, Status};

use wamp::codec::Encoding;
use wamp::transport::Serializer;

use super::LIMIT;
use super::wire::unbatched;

/// How both sides speak.
#[derive(Clone, Copy)]
pub struct Terms {
    pub serializer: Serializer,
    /// Who speaks is a client, which masks.
    pub masked: bool,
    /// Messages may be compressed; true if each is compressed for itself.
    pub deflate: Option<bool>,
}

impl Terms {
    /// A batch may be larger than a message.
    fn limit(self) -> usize {
        match self.serializer.batched {
            true => LIMIT + (1 << 20),
            false => LIMIT,
        }
    }
}

/// What comes out at the other end.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message, and what ended it in its batch.
    Message(Vec<u8>, u8),
    /// A ping, which wants an answer.
    Ping(Vec<u8>),
    /// A pong, or a part of a message.
    Alive,
}

/// How it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Closed(Option<u16>, String),
    Lost,
    /// Against the rules of WebSocket, or a text that is none.
    Protocol,
    TooLarge,
    /// Against the rules of WAMP.
    Message,
}

/// What is read out of the bytes of one side; the last is the code that is answered.
pub fn read(terms: Terms, bytes: &[u8]) -> (Vec<Frame>, End, u16) {
    let mut reader = Reader { terms, bytes, partial: None, inflate: Decompress::new(false) };
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok(Received::Message { is_text, payload }) => {
                if is_text != (terms.serializer.encoding == Encoding::Json) {
                    return (frames, End::Message, 1000);
                }
                let (messages, is_whole) = unbatched(terms.serializer, payload);
                for (message, by) in messages {
                    if message.len() > LIMIT {
                        let (end, code) = TOO_LARGE;
                        return (frames, end, code);
                    }
                    frames.push(Frame::Message(message, by));
                }
                if !is_whole {
                    return (frames, End::Message, 1000);
                }
            }
            Ok(Received::Other(frame)) => frames.push(frame),
            Err((end, code)) => return (frames, end, code),
        }
    }
}

enum Received {
    Message { is_text: bool, payload: Vec<u8> },
    Other(Frame),
}

/// An end, and the code for it.
type Stop = (End, u16);

const PROTOCOL: Stop = (End::Protocol, 1002);
const NO_TEXT: Stop = (End::Protocol, 1007);
const TOO_LARGE: Stop = (End::TooLarge, 1009);
const LOST: Stop = (End::Lost, 1000);

struct Reader<'a> {
    terms: Terms,
    bytes: &'a [u8],
    partial: Option<Partial>,
    inflate: Decompress,
}

struct Partial {
    is_text: bool,
    compressed: bool,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    fn take(&mut self, count: u64) -> Result<&[u8], Stop> {
        let count = usize::try_from(count).map_err(|_| LOST)?;
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(LOST)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: u64) -> Result<u64, Stop> {
        let bytes = self.take(bytes)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn next(&mut self) -> Result<Received, Stop> {
        let head = self.number(2)?;
        let (fin, rsv1, opcode) = (head & 0x8000 != 0, head & 0x4000 != 0, head >> 8 & 0xf);
        let broken = if opcode == 8 { closed_badly(1002) } else { PROTOCOL };
        if head & 0x3000 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
            return Err(broken);
        }
        let size = match head & 0x7f {
            126 => self.number(2)?,
            127 => self.number(8)?,
            size => size,
        };
        if size >> 63 != 0 {
            return Err(broken);
        }
        let mask = match head & 0x80 {
            0 => None,
            _ => Some(self.number(4)? as u32),
        };
        let is_control = opcode >= 8;
        if mask.is_some() != self.terms.masked
            || is_control && (!fin || rsv1 || size > 125)
            || !is_control && (opcode == 0) != self.partial.is_some()
            || rsv1 && (opcode == 0 || self.terms.deflate.is_none())
        {
            return Err(broken);
        }
        let limit = self.terms.limit() as u64;
        let compressed = self.partial.as_ref().map_or(rsv1, |partial| partial.compressed);
        let is_too_large = match compressed {
            // Before it is decompressed it may be somewhat larger.
            true => size > limit + limit / 64 + 1024,
            false => {
                let before = self.partial.as_ref().map_or(0, |partial| partial.bytes.len());
                before as u64 + size > limit
            }
        };
        if !is_control && is_too_large {
            return Err(TOO_LARGE);
        }
        let mut payload = self.take(size)?.to_vec();
        let mask = mask.unwrap_or(0).to_be_bytes();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        match opcode {
            0 => {}
            1 | 2 => {
                let (is_text, bytes) = (opcode == 1, Vec::new());
                self.partial = Some(Partial { is_text, compressed: rsv1, bytes });
            }
            8 => return Err(closed(&payload)),
            9 => return Ok(Received::Other(Frame::Ping(payload))),
            _ => return Ok(Received::Other(Frame::Alive)),
        }
        self.collect(&payload, fin)
    }

    fn collect(&mut self, payload: &[u8], fin: bool) -> Result<Received, Stop> {
        let mut partial = self.partial.take().expect("the beginning of a message");
        if partial.compressed {
            let limit = self.terms.limit();
            inflate(&mut self.inflate, payload, &mut partial.bytes, limit)?;
            if fin {
                inflate(&mut self.inflate, &[0, 0, 0xff, 0xff], &mut partial.bytes, limit)?;
                if self.terms.deflate == Some(true) {
                    self.inflate.reset(false);
                }
            }
        } else {
            partial.bytes.extend_from_slice(payload);
        }
        if partial.is_text
            && let Err(error) = std::str::from_utf8(&partial.bytes)
            && (fin || error.error_len().is_some())
        {
            return Err(NO_TEXT);
        }
        if fin {
            return Ok(Received::Message { is_text: partial.is_text, payload: partial.bytes });
        }
        self.partial = Some(partial);
        Ok(Received::Other(Frame::Alive))
    }
}

/// Whatever is wrong with a closing frame, it closes.
fn closed_badly(code: u16) -> Stop {
    (End::Closed(None, String::new()), code)
}

fn closed(payload: &[u8]) -> Stop {
    let (code, reason) = match payload {
        [] => return (End::Closed(None, String::new()), 0),
        [_] => return closed_badly(1002),
        [high, low, reason @ ..] => (u16::from(*high) << 8 | u16::from(*low), reason),
    };
    let Ok(reason) = String::from_utf8(reason.to_vec()) else {
        return closed_badly(1007);
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => (End::Closed(Some(code), reason), code),
        _ => (End::Closed(None, reason), 1002),
    }
}

/// Little by little.
fn inflate(
    inflate: &mut Decompress,
    mut rest: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Stop> {
    let mut some = [0; 64];
    loop {
        let (taken, given) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(rest, &mut some, FlushDecompress::Sync);
        let status = status.map_err(|_| PROTOCOL)?;
        let given = (inflate.total_out() - given) as usize;
        let taken = (inflate.total_in() - taken) as usize;
        out.extend_from_slice(&some[..given]);
        rest = &rest[taken..];
        if out.len() > limit {
            return Err(TOO_LARGE);
        }
        if status == Status::StreamEnd {
            inflate.reset(false);
            if rest.is_empty() {
                return Ok(());
            }
        } else if given < some.len() {
            match rest {
                [] => return Ok(()),
                _ if taken == 0 && given == 0 => return Err(PROTOCOL),
                _ => {}
            }
        }
    }
}
