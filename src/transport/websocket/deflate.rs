//! Compressed messages: permessage-deflate (RFC 7692), with zlib-rs at work.
//!
//! It is offered and taken only where the application wants it: it costs time and some 300 KiB a
//! connection, and what compresses secrets together with what others choose can give them away.

use std::ops::RangeInclusive;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde_json::Value;

use super::Broken;

/// The application's wishes about permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateOptions {
    /// 1, the fastest, to 9, the smallest.
    pub level: u32,
    /// Messages of fewer bytes are sent as they are.
    pub threshold: usize,
    /// Each message that a client sends is compressed for itself: less memory, larger messages.
    pub client_no_context_takeover: bool,
    /// The same of the server.
    pub server_no_context_takeover: bool,
    /// The binary logarithm of the window that a client compresses with, 9 to 15.
    pub client_max_window_bits: u8,
    /// The same of the server.
    pub server_max_window_bits: u8,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        DeflateOptions {
            level: 6,
            threshold: 256,
            client_no_context_takeover: false,
            server_no_context_takeover: false,
            client_max_window_bits: MAX_BITS,
            server_max_window_bits: MAX_BITS,
        }
    }
}

impl DeflateOptions {
    /// Takes the option as it is given, in JSON: a flag, or an object of settings.
    pub fn parse(value: &Value) -> Result<Option<DeflateOptions>, String> {
        let mut options = DeflateOptions::default();
        let object = match value {
            Value::Bool(wanted) => return Ok(wanted.then_some(options)),
            Value::Object(object) => object,
            _ => return Err("must be true, false or an object".to_owned()),
        };
        for (name, value) in object {
            let number = |range: RangeInclusive<u64>| {
                let number = value.as_u64().filter(|number| range.contains(number));
                let (least, most) = (range.start(), range.end());
                number.ok_or_else(|| format!("`{name}`: must be a number from {least} to {most}"))
            };
            let bits = || number(MIN_BITS.into()..=MAX_BITS.into()).map(|bits| bits as u8);
            let flag = || value.as_bool().ok_or_else(|| format!("`{name}`: must be true or false"));
            match name.as_str() {
                "level" => options.level = number(1..=9)? as u32,
                "threshold" => options.threshold = number(0..=1 << 30)? as usize,
                "client_no_context_takeover" => options.client_no_context_takeover = flag()?,
                "server_no_context_takeover" => options.server_no_context_takeover = flag()?,
                "client_max_window_bits" => options.client_max_window_bits = bits()?,
                "server_max_window_bits" => options.server_max_window_bits = bits()?,
                _ => {
                    return Err(format!(
                        "`{name}`: unknown; use level, threshold, client_no_context_takeover, \
                         server_no_context_takeover, client_max_window_bits, \
                         server_max_window_bits"
                    ));
                }
            }
        }
        Ok(Some(options))
    }
}

const NAME: &str = "permessage-deflate";

/// RFC 7692 has 8 too, which zlib cannot do without its own head.
const MIN_BITS: u8 = 9;
const MAX_BITS: u8 = 15;

/// The end of every compressed message, which is therefore not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The way that one side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side {
    keeps_context: bool,
    bits: u8,
}

/// The parameters that both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    client: Side,
    server: Side,
}

// ===== the handshake =====

/// The offer of a client.
pub(super) fn offer(options: &DeflateOptions) -> String {
    let mut offer = NAME.to_owned();
    if options.client_no_context_takeover {
        offer.push_str("; client_no_context_takeover");
    }
    if options.server_no_context_takeover {
        offer.push_str("; server_no_context_takeover");
    }
    if options.server_max_window_bits < MAX_BITS {
        offer.push_str(&format!("; server_max_window_bits={}", options.server_max_window_bits));
    }
    match options.client_max_window_bits {
        // That the server may ask for a smaller one.
        MAX_BITS => offer.push_str("; client_max_window_bits"),
        bits => offer.push_str(&format!("; client_max_window_bits={bits}")),
    }
    offer
}

/// The meaning of a server's answer to [`offer`]; an error, if it was not offered.
pub(super) fn agree(options: &DeflateOptions, answer: &str) -> Result<Agreed, String> {
    let wrong = || format!("it answers \"{answer}\", which was not offered");
    let params = Params::parse(answer).ok_or_else(wrong)?;
    let server = Side {
        keeps_context: !params.server_no_context_takeover,
        bits: params.server_max_window_bits.flatten().unwrap_or(MAX_BITS),
    };
    let client = Side {
        keeps_context: !params.client_no_context_takeover && !options.client_no_context_takeover,
        bits: match params.client_max_window_bits {
            Some(None) => return Err(wrong()),
            Some(Some(bits)) => bits.min(options.client_max_window_bits),
            None => options.client_max_window_bits,
        },
    };
    let ignored = server.keeps_context && options.server_no_context_takeover
        || server.bits > options.server_max_window_bits
        || params.server_max_window_bits == Some(None);
    if ignored {
        return Err(wrong());
    }
    if client.bits < MIN_BITS {
        return Err(format!(
            "it wants \"client_max_window_bits={}\", and the least that is supported is \
             {MIN_BITS}; connect without `permessage_deflate`",
            client.bits
        ));
    }
    Ok(Agreed { client, server })
}

/// The choice of a server among a client's offers, and its answer; `None` where it takes none of
/// them.
pub(super) fn accept(options: &DeflateOptions, offers: &str) -> Option<(Agreed, String)> {
    offers.split(',').filter_map(Params::parse).find_map(|offer| {
        let server = Side {
            keeps_context: !offer.server_no_context_takeover && !options.server_no_context_takeover,
            bits: match offer.server_max_window_bits {
                Some(None) => return None,
                Some(Some(bits)) => bits.min(options.server_max_window_bits),
                None => options.server_max_window_bits,
            },
        };
        let client = Side {
            keeps_context: !offer.client_no_context_takeover && !options.client_no_context_takeover,
            bits: match offer.client_max_window_bits {
                None => MAX_BITS,
                Some(bits) => bits.unwrap_or(MAX_BITS).min(options.client_max_window_bits),
            },
        };
        if server.bits < MIN_BITS {
            return None;
        }
        let mut answer = NAME.to_owned();
        for (side, name, asked) in
            [(server, "server", offer.server_max_window_bits.is_some()), (client, "client", false)]
        {
            if !side.keeps_context {
                answer.push_str(&format!("; {name}_no_context_takeover"));
            }
            if side.bits < MAX_BITS || asked {
                answer.push_str(&format!("; {name}_max_window_bits={}", side.bits));
            }
        }
        Some((Agreed { client, server }, answer))
    })
}

/// The parameters of an offer or an answer.
#[derive(Debug, Default)]
struct Params {
    client_no_context_takeover: bool,
    server_no_context_takeover: bool,
    /// Without a value: `Some(None)`.
    client_max_window_bits: Option<Option<u8>>,
    server_max_window_bits: Option<Option<u8>>,
}

impl Params {
    fn parse(text: &str) -> Option<Params> {
        let mut parts = text.split(';').map(str::trim);
        if parts.next()? != NAME {
            return None;
        }
        let mut params = Params::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                None => (part, None),
                Some((name, value)) => {
                    (name.trim_end(), Some(value.trim_start().trim_matches('"')))
                }
            };
            let flag = match name {
                "client_no_context_takeover" => &mut params.client_no_context_takeover,
                "server_no_context_takeover" => &mut params.server_no_context_takeover,
                "client_max_window_bits" | "server_max_window_bits" => {
                    let bits = match name {
                        "client_max_window_bits" => &mut params.client_max_window_bits,
                        _ => &mut params.server_max_window_bits,
                    };
                    let value = match value {
                        None => None,
                        // No leading zeros.
                        Some(digits) if digits.starts_with('0') => return None,
                        Some(digits) => Some(digits.parse().ok().filter(|n| (8..=15).contains(n))?),
                    };
                    if bits.replace(value).is_some() {
                        return None;
                    }
                    continue;
                }
                _ => return None,
            };
            if std::mem::replace(flag, true) || value.is_some() {
                return None;
            }
        }
        Some(params)
    }
}

// ===== the messages =====

/// The limit for a compressed message, given that for the message itself: what cannot be made
/// smaller becomes larger, by five bytes for each block that a compressor stores as it is.
pub(super) fn bound(size: usize) -> usize {
    size + size / 64 + 1024
}

/// Compresses what one side sends and decompresses what the other does.
#[derive(Debug)]
pub(super) struct Deflate {
    compress: Compress,
    keeps_ours: bool,
    threshold: usize,
    decompress: Decompress,
    keeps_theirs: bool,
    scratch: Vec<u8>,
}

impl Deflate {
    pub(super) fn new(agreed: Agreed, options: &DeflateOptions, is_client: bool) -> Deflate {
        let (ours, theirs) = match is_client {
            true => (agreed.client, agreed.server),
            false => (agreed.server, agreed.client),
        };
        let level = Compression::new(options.level);
        Deflate {
            compress: Compress::new_with_window_bits(level, false, ours.bits),
            keeps_ours: ours.keeps_context,
            threshold: options.threshold,
            // The largest window fits every message.
            decompress: Decompress::new(false),
            keeps_theirs: theirs.keeps_context,
            scratch: Vec::new(),
        }
    }

    /// The message, compressed; `None` if it is not worth it.
    pub(super) fn compress(&mut self, message: &[u8]) -> Option<&[u8]> {
        if message.len() < self.threshold.max(1) {
            return None;
        }
        let (begin, out) = (self.compress.total_in(), &mut self.scratch);
        out.clear();
        // What a large message has left behind.
        if out.capacity() > super::socket::KEPT {
            *out = Vec::new();
        }
        loop {
            let taken = (self.compress.total_in() - begin) as usize;
            out.reserve((message.len() - taken) / 2 + 128);
            // Zlib-rs fails at nothing but wrong use.
            self.compress.compress_vec(&message[taken..], out, FlushCompress::Sync).ok()?;
            let taken = (self.compress.total_in() - begin) as usize;
            if taken == message.len() && out.len() < out.capacity() {
                break;
            }
        }
        if !self.keeps_ours {
            self.compress.reset();
        }
        out.truncate(out.len() - TAIL.len());
        Some(out)
    }

    /// Appends what a piece of a compressed message stands for, as long as `out` has no more than
    /// `limit` bytes. With `fin` it is the last piece.
    pub(super) fn decompress(
        &mut self,
        piece: &[u8],
        fin: bool,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Broken> {
        self.inflate(piece, out, limit)?;
        if fin {
            self.inflate(&TAIL, out, limit)?;
            if !self.keeps_theirs {
                self.decompress.reset(false);
            }
        }
        Ok(())
    }

    fn inflate(&mut self, mut rest: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Broken> {
        const BROKEN: Broken = Broken::Protocol("a compressed message that cannot be decompressed");
        loop {
            // What is small may stand for much, which is bounded while it grows.
            let room = (rest.len() * 3).clamp(256, 64 * 1024).max(out.len() / 2);
            out.reserve_exact(room.min(limit + 1 - out.len()));
            let (taken, given) = (self.decompress.total_in(), out.len());
            let status = self.decompress.decompress_vec(rest, out, FlushDecompress::Sync);
            let status = status.map_err(|_| BROKEN)?;
            if out.len() > limit {
                let text = format!("decompressed, it has more than {limit} bytes");
                return Err(Broken::TooLarge(text));
            }
            let taken = (self.decompress.total_in() - taken) as usize;
            rest = &rest[taken..];
            if status == Status::StreamEnd {
                // A last block within a message is allowed: the next one begins anew.
                self.decompress.reset(false);
            } else if out.len() < out.capacity() {
                match rest {
                    [] => return Ok(()),
                    _ if taken == 0 && out.len() == given => return Err(BROKEN),
                    _ => {}
                }
            }
            if rest.is_empty() && status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(options: &DeflateOptions) -> (Deflate, Deflate) {
        let (agreed, answer) = accept(options, &offer(options)).unwrap();
        assert_eq!(agree(options, &answer).unwrap(), agreed, "{answer}");
        (Deflate::new(agreed, options, true), Deflate::new(agreed, options, false))
    }

    #[test]
    fn what_a_large_message_takes_is_given_back() {
        let mut random = 1_u64;
        let large: Vec<u8> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 56) as u8
        })
        .take(4 << 20)
        .collect();
        let (mut ours, _) = pair(&DeflateOptions { threshold: 1, ..DeflateOptions::default() });
        ours.compress(&large).unwrap();
        assert!(ours.scratch.capacity() > 4 << 20);
        ours.compress(b"small").unwrap();
        assert!(ours.scratch.capacity() < 1 << 20, "{}", ours.scratch.capacity());
    }

    fn all_options() -> Vec<DeflateOptions> {
        let mut all = Vec::new();
        for level in [1, 6, 9] {
            for bits in [9, 12, 15] {
                for takes in [false, true] {
                    all.push(DeflateOptions {
                        level,
                        threshold: 0,
                        client_no_context_takeover: takes,
                        server_no_context_takeover: !takes,
                        client_max_window_bits: bits,
                        server_max_window_bits: 24 - bits,
                    });
                }
            }
        }
        all
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        let noise: Vec<u8> = (0..100_000).map(|_| fastrand::u8(..)).collect();
        let text = "[36,5512315355,4429313566,{},[\"Hello, world!\"]]".repeat(3000);
        let messages: [&[u8]; 6] =
            [b"x", b"[1,2]", b"[1,2]", &noise, text.as_bytes(), text.as_bytes()];
        for options in all_options() {
            let (mut client, mut server) = pair(&options);
            for message in messages {
                let sent = client.compress(message).unwrap().to_vec();
                let mut received = Vec::new();
                server.decompress(&sent, true, &mut received, 1 << 20).unwrap();
                assert_eq!(received, message, "{options:?}");

                let sent = server.compress(message).unwrap().to_vec();
                let mut received = Vec::new();
                for piece in sent.chunks(7) {
                    client.decompress(piece, false, &mut received, 1 << 20).unwrap();
                }
                client.decompress(&[], true, &mut received, 1 << 20).unwrap();
                assert_eq!(received, message, "in pieces: {options:?}");
            }
        }
    }

    #[test]
    fn context_makes_messages_small() {
        let message = "[36,5512315355,4429313566,{},[\"a text that is said again and again\"]]";
        let sizes = |client_no_context_takeover| {
            let options =
                DeflateOptions { threshold: 0, client_no_context_takeover, ..<_>::default() };
            let (mut client, _) = pair(&options);
            [(); 2].map(|()| client.compress(message.as_bytes()).unwrap().len())
        };
        let [first, second] = sizes(false);
        assert!(first > 40 && second < 12, "{first}, {second}");
        let [first, second] = sizes(true);
        assert_eq!(first, second);
    }

    #[test]
    fn what_is_small_is_left_alone() {
        let (mut client, _) = pair(&DeflateOptions { threshold: 10, ..<_>::default() });
        assert!(
            client.compress(b"123456789").is_none() && client.compress(b"1234567890").is_some()
        );
    }

    #[test]
    fn a_bomb_is_told_while_it_grows() {
        let options = DeflateOptions { threshold: 0, ..<_>::default() };
        let (mut client, mut server) = pair(&options);
        let bomb = client.compress(&vec![b' '; 50_000_000]).unwrap().to_vec();
        assert!(bomb.len() < 60_000);
        let mut out = Vec::new();
        let error = server.decompress(&bomb, true, &mut out, 1000).unwrap_err();
        assert!(matches!(error, Broken::TooLarge(_)));
        assert!(out.capacity() < 4000, "{}", out.capacity());
    }

    #[test]
    fn garbage_is_no_message() {
        let (_, mut server) = pair(&DeflateOptions::default());
        for garbage in [&b"\xff\xff\xff\xff"[..], b"\x07", b"\x00\x01\x00\x01\x00x"] {
            let mut out = Vec::new();
            let error = server.decompress(garbage, true, &mut out, 1000).unwrap_err();
            assert!(matches!(error, Broken::Protocol(_)), "{garbage:?}");
            server.decompress.reset(false);
        }
    }

    #[test]
    fn a_last_block_may_stand_within_a_message() {
        let (_, mut server) = pair(&DeflateOptions::default());
        // RFC 7692, 7.2.3.4: "Hello" in a block with its last bit set, and an empty one.
        let message = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let mut out = Vec::new();
        server.decompress(&message, true, &mut out, 1000).unwrap();
        assert_eq!(out, b"Hello");
    }

    #[test]
    fn handshakes() {
        let plain = DeflateOptions::default();
        assert_eq!(offer(&plain), "permessage-deflate; client_max_window_bits");
        let answer = |offers: &str| accept(&plain, offers).map(|(_, answer)| answer);
        assert_eq!(answer("permessage-deflate").as_deref(), Some("permessage-deflate"));
        assert_eq!(
            answer("permessage-deflate; server_max_window_bits=10; client_max_window_bits")
                .unwrap(),
            "permessage-deflate; server_max_window_bits=10"
        );
        assert_eq!(
            answer("permessage-deflate; unheard_of, permessage-deflate").unwrap(),
            "permessage-deflate",
            "the second offer can be taken"
        );
        for unacceptable in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ] {
            assert_eq!(answer(unacceptable), None, "{unacceptable}");
        }

        let strict = DeflateOptions {
            server_no_context_takeover: true,
            server_max_window_bits: 10,
            ..plain
        };
        let good = "permessage-deflate; server_no_context_takeover; server_max_window_bits=\"10\"";
        let agreed = agree(&strict, good).unwrap();
        assert_eq!(agreed.server, Side { keeps_context: false, bits: 10 });
        for bad in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10, x",
            "x-webkit-deflate-frame",
        ] {
            assert!(agree(&strict, bad).is_err(), "{bad}");
        }
        let narrow = agree(&plain, "permessage-deflate; client_max_window_bits=8").unwrap_err();
        assert!(narrow.contains("the least that is supported is 9"), "{narrow}");
    }
}
