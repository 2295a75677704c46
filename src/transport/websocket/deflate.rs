//! Compressed messages: permessage-deflate (RFC 7692), with zlib-rs at work.
//!
//! It is offered and taken only where the application wants it: it costs time and some 300 KiB a
//! connection, and what compresses secrets together with what others choose can give them away.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Broken;
use super::extension::{Agreed, DeflateOptions};

/// The end of every compressed message, which is therefore not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

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
        if out.capacity() > super::KEPT {
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
    use super::super::extension::{accept, agree, offer};
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
}
